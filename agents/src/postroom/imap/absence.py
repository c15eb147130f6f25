"""Why the store has left a message out of an answer."""

from postroom.contracts.errors import MessageGone, MessageLost
from postroom.imap.session import ImapSession


async def demand_present(session: ImapSession, uid: int) -> None:
    """Find out why the store returned no Detail of a message.

    Raises MessageGone when it was expunged, and MessageLost when it is there but its structure cannot be read.
    """
    view = session.selected
    if not await session.selected_account.rows(view.id, (uid,)):
        raise MessageGone
    raise MessageLost(f"mailbox={view.name!r} uid={uid} structure cannot be read")
