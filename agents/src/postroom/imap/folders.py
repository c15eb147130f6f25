"""Commands on mailboxes as a whole: CREATE, DELETE, RENAME, SUBSCRIBE, LIST, LSUB, STATUS.

RFC 3501 section 6.3, RFC 5819, RFC 6154 and RFC 9208.
"""

from typing import Final

from postroom.contracts.account import Status
from postroom.contracts.errors import MailboxNotSelectable, NoSuchMailbox
from postroom.imap import listings
from postroom.imap.dispatch import CommandHandler
from postroom.imap.namespaces import Located, every_mailbox, is_selected, locate
from postroom.imap.refusals import Reply, no
from postroom.imap.session import ImapSession
from postroom.mail.flags import DELETED
from postroom.wire.imap import commands, responses

# RFC 6154 section 2; \All and \Flagged are views that this store does not have.
SPECIAL_USES: Final = {use.upper(): use for use in ("\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash")}
LINES: Final = 500  # of a LIST answer between two looks whether the client keeps up
_COUNTS: Final = {
    b"MESSAGES": "messages",
    b"RECENT": "recent",
    b"UIDNEXT": "uidnext",
    b"UIDVALIDITY": "uidvalidity",
    b"UNSEEN": "unseen",
    b"HIGHESTMODSEQ": "highestmodseq",
}


async def create(session: ImapSession, command: commands.Create) -> Reply:
    """Carry out CREATE, with the special use of RFC 6154."""
    uses = {SPECIAL_USES.get(use.upper()) for use in command.special_uses}
    if None in uses or len(uses) > 1:
        return no(b"Special use not supported", b"USEATTR")
    use = next(iter(uses)) or "" if uses else ""
    account, name = await locate(session, command.mailbox)
    if use and any(mailbox.special_use == use for mailbox in await account.mailboxes()):
        return no(b"Another mailbox has this use", b"USEATTR")
    await account.create(name, use)
    return Reply()


async def delete(session: ImapSession, command: commands.Delete) -> Reply:
    """Carry out DELETE; if the mailbox is selected, the session leaves it."""
    located = await locate(session, command.mailbox)
    await located.account.delete(located.name)
    if is_selected(session, located):
        session.leave_mailbox()
        session.write(responses.status(b"*", b"OK", b"The selected mailbox was deleted", b"CLOSED"))
    return Reply()


async def rename(session: ImapSession, command: commands.Rename) -> Reply:
    """Carry out RENAME."""
    account, old = await locate(session, command.old)
    _, new = await locate(session, command.new)
    await account.rename(old, new)
    view = session.view
    if view is not None and session.selected_account is account and old != "INBOX":
        if view.name == old:
            view.name = new
        elif view.name.startswith(old + "/"):
            view.name = new + view.name[len(old) :]
    return Reply()


async def subscribe(session: ImapSession, command: commands.Subscribe) -> Reply:
    """Carry out SUBSCRIBE and UNSUBSCRIBE. Subscriptions belong to the account that logged in."""
    await session.own_account.subscribe(command.mailbox, command.on)
    return Reply()


async def list_(session: ImapSession, command: commands.List) -> Reply:
    """Answer LIST."""
    if command.patterns == ("",) and not command.extended:
        # The client asks for the delimiter and the root of the reference only (RFC 3501 section 6.3.8).
        session.write(responses.list_line(b"LIST", (b"\\Noselect",), ""))
        return Reply()
    mailboxes = await every_mailbox(session)
    subscriptions = await session.own_account.subscriptions()
    for number, listed in enumerate(listings.list_names(command, mailboxes, subscriptions), 1):
        session.write(listed.line)
        if command.status and listed.selectable:
            await _write_status_if_present(session, listed.name, command.status)
        if number % LINES == 0:
            await session.flush()
    return Reply()


async def lsub(session: ImapSession, command: commands.Lsub) -> Reply:
    """Answer LSUB."""
    subscriptions = await session.own_account.subscriptions()
    session.write(b"".join(listings.lsub_names(command, subscriptions)))
    return Reply()


async def status(session: ImapSession, command: commands.StatusOf) -> Reply:
    """Answer STATUS."""
    if b"HIGHESTMODSEQ" in command.items:
        session.enable_condstore()
    await _write_status(session, command.mailbox, command.items)
    return Reply()


async def _write_status_if_present(session: ImapSession, name: str, items: tuple[bytes, ...]) -> None:
    """Write STATUS, unless the mailbox was deleted while LIST was being answered (RFC 5819 section 2)."""
    try:
        await _write_status(session, name, items)
    except (NoSuchMailbox, MailboxNotSelectable):
        return


async def _write_status(session: ImapSession, name: str, items: tuple[bytes, ...]) -> None:
    """Write STATUS. Raises NoSuchMailbox, MailboxNotSelectable."""
    located = await locate(session, name)
    found = await located.account.status(located.name)
    values = [b"%b %d" % (item, await _value(located, item, found)) for item in items]
    session.write(responses.untagged(b"STATUS", responses.mailbox(name), b"(" + b" ".join(values) + b")"))


async def _value(located: Located, item: bytes, found: Status) -> int:
    if item in _COUNTS:
        number: int = getattr(found, _COUNTS[item])
        return number
    if not found.deleted:  # DELETED-STORAGE
        return 0
    number_of = {mailbox.name: mailbox.id for mailbox in await located.account.mailboxes()}
    rows = await located.account.rows(number_of[located.name])
    return sum(row.size for row in rows if DELETED in row.flags)


HANDLERS: Final = (
    CommandHandler(commands.Create, create),
    CommandHandler(commands.Delete, delete),
    CommandHandler(commands.Rename, rename),
    CommandHandler(commands.Subscribe, subscribe),
    CommandHandler(commands.List, list_),
    CommandHandler(commands.Lsub, lsub),
    CommandHandler(commands.StatusOf, status),
)
