"""What an operator sees and does in the queue, whether agents run or not.

These calls block: the operator's command has no event loop. Times are seconds since 1970.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from postroom.contracts.outbox import QueuedContent


class QueueAction(Enum):
    """What can be done to messages."""

    RETRY = "retry"
    HOLD = "hold"
    RELEASE = "release"
    DELETE = "delete"


class Selection(NamedTuple):
    """Which messages; an empty field does not narrow. Addresses and destinations may hold `*`."""

    ids: tuple[str, ...] = ()
    sender: str | None = None  # "" is the null sender
    recipient: str = ""
    destination: str = ""


class QueuedDelivery(NamedTuple):
    """One recipient of a message in the queue. `due` None: held."""

    number: int
    address: str
    original: str
    hop: str
    destination: str
    due: float | None
    claimed: bool
    attempts: int
    tried: float
    host: str
    status: str
    reply: str


class QueueEntry(NamedTuple):
    """One message with the recipients that are left."""

    location: str  # where the engine keeps it, for people
    handle: object  # means something to the engine only
    id: str
    arrived: float
    sender: str
    origin: str
    size: int
    message_id: str
    client: str
    account: str
    recipients: tuple[QueuedDelivery, ...]

    def state(self, now: float) -> str:
        """Return active, incoming, deferred or hold: the names of Postfix's queues."""
        if any(one.claimed and one.due is not None and one.due > now for one in self.recipients):
            return "active"
        if all(one.due is None for one in self.recipients):
            return "hold"
        return "deferred" if any(one.reply for one in self.recipients) else "incoming"


class QueueAdmin(Protocol):
    """The operator's view of the whole queue."""

    def entries(self, selection: Selection) -> Iterator[QueueEntry]:
        """Yield the messages selected, the oldest of each partition first. Raises Unavailable."""

    def change(self, entries: Sequence[QueueEntry], what: QueueAction) -> int:
        """Change messages, and wake the relays; return the number of recipients changed.

        Recipients that a relay is working on are left alone. Raises Unavailable.
        """

    def content(self, entry: QueueEntry) -> QueuedContent:
        """Return the message itself. Raises MessageGone, Unavailable."""
