"""Which mailbox is selected: SELECT, EXAMINE, CLOSE, UNSELECT. RFC 3501 sections 6.3 and 6.4, RFC 3691."""

from typing import Final

from postroom.imap.dispatch import CommandHandler, LookForNews
from postroom.imap.namespaces import locate
from postroom.imap.refusals import TaggedReply
from postroom.imap.session import ImapSession
from postroom.imap.view import View
from postroom.wire.imap import responses
from postroom.wire.imap.selecting import Close, Select, Unselect


async def select(session: ImapSession, command: Select) -> TaggedReply:
    """Carry out SELECT and EXAMINE; also when they fail, the mailbox selected before is left (section 6.3.1)."""
    session.leave_mailbox()
    if command.condstore:
        session.enable_condstore()
    account, name = await locate(session, command.mailbox)
    selected = await account.select(name, command.writable)
    view = View(selected, command.writable)
    session.enter_mailbox(account, view)
    status = selected.status
    session.write(view.flags_line())
    session.write(b"* %d EXISTS\r\n* %d RECENT\r\n" % (len(view.uids), len(view.recent)))
    if number := view.number(selected.first_unseen):
        session.write(responses.status(b"*", b"OK", b"First unseen", b"UNSEEN %d" % number))
    for text, code in (
        (b"UIDs valid", b"UIDVALIDITY %d" % status.uidvalidity),
        (b"Next UID", b"UIDNEXT %d" % status.uidnext),
        (b"Flags that stay", b"PERMANENTFLAGS " + view.permanent_flags()),
        (b"Highest", b"HIGHESTMODSEQ %d" % max(status.highestmodseq, 1)),
    ):
        session.write(responses.status(b"*", b"OK", text, code))
    return TaggedReply(code=b"READ-WRITE" if command.writable else b"READ-ONLY")


async def close(session: ImapSession, command: Close) -> TaggedReply:
    """Carry out CLOSE: remove what is marked \\Deleted, without EXPUNGE responses, and leave the mailbox."""
    view = session.selected
    if view.writable:
        await session.selected_account.expunge(view.id)
    session.leave_mailbox()
    return TaggedReply()


async def unselect(session: ImapSession, command: Unselect) -> TaggedReply:
    """Carry out UNSELECT. RFC 3691."""
    session.leave_mailbox()
    return TaggedReply()


HANDLERS: Final = (
    CommandHandler(Select, select, news=LookForNews.NEVER),
    CommandHandler(Close, close, news=LookForNews.NEVER),
    CommandHandler(Unselect, unselect, news=LookForNews.NEVER),
)
