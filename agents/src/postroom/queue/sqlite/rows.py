"""Rows of the queue as the relay holds them."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from postroom.contracts.queue import Hop, Origin


class StoredContent:
    """A message's octets. A body in a file is read when asked for."""

    __slots__ = ("_body", "_file", "_start", "head", "size")

    def __init__(self, head: bytes, size: int, body: bytes, file: str = "", start: int = 0) -> None:
        self.head = head
        self.size = size
        self._body = body
        self._file = file
        self._start = start

    @property
    def in_memory(self) -> bytes | None:
        """The body, unless it is a file."""
        return None if self._file else self._body

    def chunks(self, size: int = 65536) -> Iterator[bytes]:
        """Head first, then the body. Raises OSError when the body's file cannot be read."""
        yield self.head
        if not self._file:
            yield from (self._body[at : at + size] for at in range(0, len(self._body), size))
            return
        with open(os.open(self._file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb", buffering=0) as body:
            body.seek(self._start)
            while piece := body.read(size):
                yield piece


class Row(NamedTuple):
    """One recipient of a claimed message."""

    number: int
    address: str
    account: str
    original: str
    orcpt: str
    notify: str
    attempts: int
    warned: bool
    reply: str  # what was said the last time
    status: str
    host: str


class Facts(NamedTuple):
    """What a claimed message's own row says; the fields are those of contracts.queue.QueuedMessage."""

    seq: int
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


class Claim(NamedTuple):
    """A piece of work: the recipients of one message that one transaction can reach."""

    spool: str  # path of the spool file
    facts: Facts
    hop: Hop
    destination: str
    sender: str  # the envelope sender for these recipients
    rows: tuple[Row, ...]
    content: StoredContent | None  # None: to be loaded when its turn comes
    claimed: float  # seconds since 1970
    forced: bool  # somebody asked for it to be tried now, whatever is known of the destination


class Outcome(NamedTuple):
    """What became of one recipient of a claim. `due` None: done with, the row goes."""

    seq: int
    number: int
    due: float | None
    host: str = ""
    status: str = ""
    reply: str = ""
    attempted: bool = True
    warned: bool = False
    durable: bool = False  # must be on disk before the lease ends
    left: bool = False  # no mailbox of this host has it and would know it again
