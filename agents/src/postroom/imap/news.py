"""Changes of the selected mailbox, written at the moments that RFC 3501 section 7.4.1 allows."""

from postroom.contracts.errors import MailError, NoSuchMailbox
from postroom.imap.refusals import Bye
from postroom.imap.session import ImapSession


async def look(session: ImapSession, *, expunges: bool, uids: bool = False) -> None:
    """Write what has happened in the selected mailbox; with `uids` as answer to a UID command, which names UIDs.

    Raises Bye when the mailbox has been deleted.
    """
    view = session.view
    if view is None:
        return
    session.news_pending = False
    session.time_slice.begin()
    try:
        changes = await session.selected_account.changes(view.id, view.modseq, view.writable)
    except NoSuchMailbox:
        raise Bye("Mailbox was deleted") from None
    except Exception as error:  # the next look brings what this one could not
        session.news_pending = True
        if not isinstance(error, MailError):
            session.log.fault("news", error)
        return
    condstore = session.condstore
    for octets in view.apply(changes, expunges=expunges, modseqs=condstore, uids=uids or condstore):
        session.write(octets)
        if session.time_slice.over:
            await session.flush()
    session.news_pending = session.news_pending or bool(view.gone)


async def look_before_silence(session: ImapSession, *, uids: bool) -> None:
    """Write what others have changed, before a command whose own changes are not reported to the client."""
    if session.news_pending:
        await look(session, expunges=False, uids=uids)
