"""LIST, LSUB and STATUS. RFC 3501 section 6.3, RFC 5819 and RFC 9208."""

from typing import Final

from postroom.contracts.account import Status
from postroom.contracts.errors import MailboxNotSelectable, NoSuchMailbox
from postroom.imap.dispatch import CommandHandler
from postroom.imap.listednames import list_names, lsub_names
from postroom.imap.namespaces import Located, every_mailbox, locate
from postroom.imap.refusals import Reply
from postroom.imap.session import ImapSession
from postroom.mail.flags import DELETED
from postroom.wire.imap.listing import List, Lsub, StatusOf, list_line, status_line

LINES: Final = 500  # of a LIST answer between two looks whether the client keeps up
_COUNTS: Final = {
    b"MESSAGES": "messages",
    b"RECENT": "recent",
    b"UIDNEXT": "uidnext",
    b"UIDVALIDITY": "uidvalidity",
    b"UNSEEN": "unseen",
    b"HIGHESTMODSEQ": "highestmodseq",
}


async def list_(session: ImapSession, command: List) -> Reply:
    """Answer LIST."""
    if command.patterns == ("",) and not command.extended:
        # The client asks for the delimiter and the root of the reference only (RFC 3501 section 6.3.8).
        session.write(list_line(b"LIST", (b"\\Noselect",), ""))
        return Reply()
    mailboxes = await every_mailbox(session)
    subscriptions = await session.own_account.subscriptions()
    for number, listed in enumerate(list_names(command, mailboxes, subscriptions), 1):
        session.write(listed.line)
        if command.status and listed.selectable:
            await _write_status_if_present(session, listed.name, command.status)
        if number % LINES == 0:
            await session.flush()
    return Reply()


async def lsub(session: ImapSession, command: Lsub) -> Reply:
    """Answer LSUB."""
    subscriptions = await session.own_account.subscriptions()
    session.write(b"".join(lsub_names(command, subscriptions)))
    return Reply()


async def status(session: ImapSession, command: StatusOf) -> Reply:
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
    session.write(status_line(name, [(item, await _value(located, item, found)) for item in items]))


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
    CommandHandler(List, list_),
    CommandHandler(Lsub, lsub),
    CommandHandler(StatusOf, status),
)
