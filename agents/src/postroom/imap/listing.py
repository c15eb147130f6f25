"""LIST, LSUB and STATUS. RFC 3501 section 6.3, RFC 5819 and RFC 9208."""

from typing import Final

from postroom.contracts.account import Status
from postroom.imap.dispatch import CommandHandler
from postroom.imap.listednames import list_names, lsub_names
from postroom.imap.namespaces import Located, every_mailbox, locate
from postroom.imap.refusals import TaggedReply
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


async def list_(session: ImapSession, command: List) -> TaggedReply:
    """Answer LIST."""
    if command.patterns == ("",) and not command.extended:
        # The client asks for the delimiter and the root of the reference only (RFC 3501 section 6.3.8).
        session.write(list_line(b"LIST", (b"\\Noselect",), ""))
        return TaggedReply()
    mailboxes = await every_mailbox(session)
    subscriptions = await session.own_account.subscriptions()
    listed_names = list(list_names(command, mailboxes, subscriptions))
    wanted = [listed.name for listed in listed_names if listed.selectable] if command.status else []
    statuses = await _statuses(session, wanted)
    for number, listed in enumerate(listed_names, 1):
        session.write(listed.line)
        found = statuses.get(listed.name)
        if found is not None:
            located, counts = found
            session.write(await _status(located, listed.name, command.status, counts))
        if number % LINES == 0:
            await session.flush()
    return TaggedReply()


async def lsub(session: ImapSession, command: Lsub) -> TaggedReply:
    """Answer LSUB."""
    subscriptions = await session.own_account.subscriptions()
    session.write(b"".join(lsub_names(command, subscriptions)))
    return TaggedReply()


async def status(session: ImapSession, command: StatusOf) -> TaggedReply:
    """Answer STATUS."""
    if b"HIGHESTMODSEQ" in command.items:
        session.enable_condstore()
    located = await locate(session, command.mailbox)
    found = await located.account.status(located.name)
    session.write(await _status(located, command.mailbox, command.items, found))
    return TaggedReply()


async def _statuses(session: ImapSession, names: list[str]) -> dict[str, tuple[Located, Status]]:
    """Return the counts of mailboxes by the client's names, with one call for each account.

    Mailboxes that were deleted while LIST was being answered are left out (RFC 5819 section 2).
    """
    located = {name: await locate(session, name) for name in names}
    found: dict[str, tuple[Located, Status]] = {}
    for account in {id(one.account): one.account for one in located.values()}.values():
        theirs = {name: one for name, one in located.items() if one.account is account}
        counts = await account.statuses([one.name for one in theirs.values()])
        found |= {name: (one, counts[one.name]) for name, one in theirs.items() if one.name in counts}
    return found


async def _status(located: Located, name: str, items: tuple[bytes, ...], found: Status) -> bytes:
    """Return a STATUS response."""
    return status_line(name, [(item, await _value(located, item, found)) for item in items])


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
