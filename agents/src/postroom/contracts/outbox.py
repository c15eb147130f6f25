"""The queue's reading side: what the relay needs of any engine that keeps the queue.

The relay claims recipients that are due, delivers to them, and settles what became of each. A claim is a lease: it
ends with the relay that holds it, so that a relay that dies gives everything back by doing nothing. An engine may
keep its queue in several partitions that do not wait for one another (SQLite has one for each writing process).
Times are seconds since 1970.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple, Protocol

from postroom.contracts.queue import Hop, Origin


class QueuedContent(Protocol):
    """A message's octets: the header block with its empty line, then the body."""

    head: bytes
    size: int  # of head and body

    @property
    def in_memory(self) -> bytes | None:
        """The body, or None when reading it would touch the disk or the network."""

    def chunks(self, size: int = 65536) -> Iterator[bytes]:
        """Yield the head first, then the body in pieces; can be called again. Raises Unavailable."""


class MemoryContent:
    """A message that is held in memory as a whole."""

    __slots__ = ("_body", "head", "size")

    def __init__(self, head: bytes, body: bytes = b"") -> None:
        self.head = head
        self.size = len(head) + len(body)
        self._body = body

    @property
    def in_memory(self) -> bytes | None:
        """Return the body."""
        return self._body

    def chunks(self, size: int = 65536) -> Iterator[bytes]:
        """Yield the head first, then the body in pieces."""
        yield self.head
        yield from (self._body[at : at + size] for at in range(0, len(self._body), size))


class ClaimedMessage(NamedTuple):
    """The envelope and origin of a claimed message; the fields are those of contracts.queue.QueuedMessage."""

    id: str
    arrived: float
    sender: str
    origin: Origin
    size: int
    message_id: str
    signing_domain: str
    vouched: bool
    authentication: str
    arc: str
    body: str
    smtputf8: bool
    envid: str
    ret: str
    client: str
    account: str


class ClaimedRecipient(NamedTuple):
    """One recipient of a claimed message. `number` is its place among the message's recipients, as accepted."""

    number: int
    address: str
    account: str
    original: str
    orcpt: str
    notify: str
    attempts: int
    warned: bool  # the sender has had a delay warning
    reply: str  # the reply to the last attempt
    status: str
    host: str


class Claim(NamedTuple):
    """Leased work: the recipients of one message that one transaction can reach."""

    handle: object  # means something to the engine only
    message: ClaimedMessage
    hop: Hop
    destination: str
    sender: str  # the envelope sender for these recipients
    recipients: tuple[ClaimedRecipient, ...]
    content: QueuedContent | None  # None: call `load` when the content is needed
    claimed: float
    forced: bool  # an operator asked for an attempt now, whatever is known of the destination


class Outcome(NamedTuple):
    """The result for one recipient of a claim, by its `number`.

    `due` is the time of the next attempt; None means done, and the recipient leaves the queue.
    """

    number: int
    due: float | None
    host: str = ""
    status: str = ""
    reply: str = ""
    attempted: bool = True  # counts as an attempt
    warned: bool = False
    durable: bool = False  # must be on disk before the lease ends
    # The message left this host, so no local mailbox can recognise a second copy: remember its id.
    left: bool = False


class Wanted(NamedTuple):
    """What a relay has room for. `full` names the destinations that have as many claims as they may."""

    recipients: int
    full: Collection[str] = ()


NOTHING_WANTED = Wanted(0)


class Claimed(NamedTuple):
    """The answer of a partition. `next_due` is the earliest time at which more is due, None for never or unknown."""

    claims: Sequence[Claim]
    next_due: float | None = None


class Postponement(NamedTuple):
    """A destination that cannot be reached: everything due for it waits, with the same words.

    The pause is the age of each recipient, between `minimum` and `maximum` seconds, times 0.75 to 1.25 by chance.
    Recipients that arrived before `expired_before`, or before `warn_before` without a delay warning, stay due:
    the relay has to report on them.
    """

    destination: str
    minimum: float
    maximum: float
    host: str
    status: str
    reply: str
    expired_before: float
    warn_before: float


class Partition(Protocol):
    """A part of the queue that is claimed and settled independently of the others."""

    name: str  # for the log

    @property
    def unsettled(self) -> bool:
        """Whether outcomes wait for the next `claim` to write them down."""

    async def claim(self, wanted: Wanted) -> Claimed:
        """Write down the outcomes that wait, and lease what is due and wanted, in one commit.

        Recipients of one message and destination come together, at most 100 to a claim. Where the storage is full,
        the outcomes have priority and nothing is claimed. Call it from one task at a time. Raises Unavailable:
        nothing was claimed, and the outcomes wait for the next call.
        """


class Outbox(Protocol):
    """The whole queue as one relay process sees it. The engine keeps the leases alive until they are settled."""

    async def watch(self, news: Callable[[Partition], None]) -> None:
        """Open the queue; call `news` with every partition there is, when one is found, and when one has news.

        News are new recipients, outcomes that wait, and leases of another relay that ended. A call may be missed:
        look at each partition every few seconds as well. Raises Unavailable.
        """

    def settle(self, claim: Claim, outcomes: Sequence[Outcome]) -> None:
        """Note what became of recipients of a claim; the next `claim` of their partition writes it down.

        Outcomes of a lease that somebody else has taken over, or of recipients that are settled already, do nothing.
        Where two outcomes of one recipient wait, one that says "done" counts.
        """

    def release(self, claim: Claim) -> None:
        """Give a claim back as it was, due at once; written down like an outcome."""

    async def load(self, claim: Claim) -> QueuedContent:
        """Return the content of a claim. Raises MessageGone (deleted meanwhile), Unavailable."""

    async def postpone(self, what: Postponement) -> int:
        """Put off everything due for a destination that nobody has leased; return the number of recipients."""

    async def close(self) -> None:
        """End watching, give every lease back, close the files. Outcomes not yet written are lost: claim first."""
