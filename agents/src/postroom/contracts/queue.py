"""The queue's writing side, and what the queue keeps of a message. The reading side is contracts.outbox."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Origin(StrEnum):
    """How a message came to this host."""

    SUBMITTED = "submitted"  # by a login, through the msa
    LOCAL = "local"  # by a program on the host
    INBOUND = "inbound"  # by the mta, from another MTA
    REPORT = "report"  # made by the relay: bounces, delay warnings


class Hop(StrEnum):
    """How a recipient is reached."""

    MAILBOX = "mailbox"  # LMTP to the mda of this host
    HOME = "home"  # SMTP to the domain's home host, one of ours
    WORLD = "world"  # SMTP to the domain's MX


@dataclass(frozen=True, slots=True)
class QueuedRecipient:
    """One row of the queue.

    `address` is final: aliases are resolved. `sender` replaces the message's envelope sender for this recipient
    (SRS, list owner). `original` is the address the client gave; `orcpt` and `notify` are RFC 3461 parameters
    as received ("" when absent).
    """

    address: str
    hop: Hop
    destination: str  # account's home for MAILBOX, host name for HOME, domain for WORLD
    account: str = ""  # account id for MAILBOX
    original: str = ""
    sender: str | None = None
    orcpt: str = ""
    notify: str = ""


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """Envelope and origin of a message. Times are seconds since 1970."""

    id: str
    arrived: float
    sender: str  # "" is the null sender
    recipients: tuple[QueuedRecipient, ...]
    origin: Origin
    size: int
    message_id: str = ""
    signing_domain: str = ""  # DKIM d=; "" signs nothing
    vouched: bool = False  # SPF or DKIM vouches for the envelope sender: bounces may go there
    authentication: str = ""  # Authentication-Results value as written by the mta
    arc: str = ""  # ARC chain validation state
    body: str = "7BIT"  # 7BIT or 8BITMIME (RFC 6152)
    smtputf8: bool = False
    envid: str = ""  # RFC 3461
    ret: str = ""  # FULL, HDRS or ""
    client: str = ""
    account: str = ""  # the login of a submission
    # The id is computed from the content, so a message that is sent again has the same one.
    repeatable: bool = False


class Draft(Protocol):
    """A message being received: small ones stay in memory, large ones go to a file of the spool."""

    size: int

    def write(self, octets: bytes | bytearray | memoryview) -> None:
        """Append octets. Raises Unavailable when the disk is full."""

    def discard(self) -> None:
        """Drop the octets; idempotent."""

    def head(self, limit: int) -> bytes:
        """Return the header block with its empty line, or the first `limit` octets if it does not end before."""

    def body(self, start: int, size: int = 65536) -> Iterator[bytes]:
        """Yield the octets from offset `start`, in pieces."""


class Intake(Protocol):
    """The spool of one writing process."""

    def draft(self) -> Draft:
        """Return a place for the next message's octets."""

    async def accept(self, message: QueuedMessage, head: bytes, draft: Draft, body_start: int) -> bool:
        """Make a message durable, and return only when it is on disk. False: the id is known, nothing is stored again.

        `head` is the header block to be sent on (with the empty line); the body is the draft's octets from
        `body_start`. The draft is consumed. Raises Unavailable: nothing was accepted.
        """

    async def close(self) -> None:
        """Make everything durable that waits, then close the files; idempotent."""
