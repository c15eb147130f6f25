"""Why the store has left a message out of an answer."""

from postroom.contracts.errors import MessageGone, MessageLost
from postroom.imap.session import Session


async def demand_present(session: Session, uid: int) -> None:
    """Look whether a message without a Detail is still there.

    Raises MessageGone: it was expunged. MessageLost: it was not, so its structure cannot be had.
    """
    view = session.selected
    if not await session.opened.rows(view.id, (uid,)):
        raise MessageGone
    raise MessageLost(f"mailbox={view.name!r} uid={uid} structure cannot be read")
