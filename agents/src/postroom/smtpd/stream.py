"""Octets of one connection: an input buffer, collected output, deadlines. The lower half of a session.

aiosmtpd brings a StreamReader, a StreamWriter and a timer per connection, and logs each line; here input waits
in one buffer, replies leave together, and one patrol per listener looks at all deadlines.
"""

import asyncio
from typing import Any, Final

from aiosmtpd.smtp import SMTP

from postroom.contracts.errors import Unavailable
from postroom.contracts.queue import Draft
from postroom.runtime.plain_transport import SMALL
from postroom.smtpd.reception import Limits
from postroom.wire.smtp.data import DataScanner

HIGH_WATER: Final = SMALL  # unread octets at which the peer has to wait
OVERLONG_KEPT: Final = 64
OUTPUT_WATER: Final = 16384  # unsent replies of pipelined commands


class ConnectionEnd(Exception):
    """The conversation is over; `reply` is said before closing, if any."""

    def __init__(self, reply: bytes = b"") -> None:
        super().__init__("connection end")
        self.reply = reply


class Receiving:
    """A DATA phase under way: the scanner, where the octets go, and when it was looked at."""

    __slots__ = (
        "began", "draft", "error", "limit", "moved_at", "noticed", "received", "scanner", "window", "window_began"
    )  # fmt: skip

    def __init__(self, scanner: DataScanner, draft: Draft | None, limit: int, now: float) -> None:
        self.scanner = scanner
        self.draft = draft
        self.limit = limit
        self.received = 0
        self.error: Unavailable | None = None
        self.began = self.moved_at = self.window_began = now
        self.noticed = self.window = 0  # octets at the last look, and when the window began

    def take(self, octets: bytes) -> bool:
        """Scan a piece and keep it while the message is one that can be taken; whether it has ended."""
        self.received += len(octets)
        piece = self.scanner.feed(octets)
        if self.draft is not None:
            self._keep(self.draft, piece)
        return self.scanner.finished

    def _keep(self, draft: Draft, piece: bytes) -> None:
        if self.scanner.flaw is not None or draft.size + len(piece) > self.limit:
            self.forget()
            return
        try:
            draft.write(piece)
        except Unavailable as error:
            self.error = error
            self.forget()

    def forget(self) -> None:
        """Keep nothing more; the rest is read over."""
        if self.draft is not None:
            self.draft.discard()
            self.draft = None

    def overdue(self, now: float, limits: Limits, *, pressed: bool) -> bool:
        """Whether the peer has been silent for too long, or under pressure sends too slowly.

        `now`: the loop's time. A pause of minutes offends nobody while there is room (RFC 5321 section 4.5.3.2).
        """
        if self.received != self.noticed:
            self.noticed, self.moved_at = self.received, now
        slow = self._slow(now, limits)
        return now - self.moved_at > limits.data_timeout or (pressed and slow)

    def _slow(self, now: float, limits: Limits) -> bool:
        """Whether the rate is below the floor: of the window that ends now, and of the whole after a long time."""
        slow, seconds = False, now - self.window_began
        if seconds >= limits.rate_window:
            slow = self.received - self.window < seconds * limits.minimum_rate
            self.window, self.window_began = self.received, now
        late = now - self.began - limits.long_data_after
        return slow or (late > 0 and self.received < late * limits.long_data_rate)


class Stream(SMTP):
    """aiosmtpd's protocol with input and output of our own.

    `waiting_since` is when we began to wait for the peer, in the loop's time; 0 while it is us who work.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Not SMTP.__init__: it inspects classes and builds tables that are the same for every connection.
        self.loop = loop
        self.transport: Any = None
        self.waiting_since = 0.0
        self.overlong = b""  # the first octets of the last line that was too long
        self.bulk = False  # while a message is received
        self.unread = bytearray()
        self._searched = 0
        self._output: list[bytes] = []
        self._pending = 0
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._receiving: Receiving | None = None
        self.gone = False
        self._ended = False
        self._stopped = False
        self._closing: bytes | None = None

    # what the transport calls

    def data_received(self, data: bytes) -> None:
        """Octets have come: into the message when DATA is under way, else into the buffer."""
        receiving = self._receiving
        if receiving is not None and not receiving.scanner.finished:
            if receiving.take(data):
                self._wake()
            return
        self.unread += data
        if len(self.unread) >= HIGH_WATER and not self._stopped:
            self._stopped = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool | None:
        """The peer will send nothing more; over plain TCP what has come is still worked on."""
        self._ended = True
        self._wake()
        return self._is_plain()

    def connection_lost(self, error: Exception | None) -> None:
        self.gone = self._ended = True
        self._wake()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def pause_writing(self) -> None:
        self._drained = self.loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def _is_plain(self) -> bool:
        return True

    # what the session calls

    def say(self, octets: bytes) -> None:
        """Add a reply; it leaves when the session waits, or when enough have come together."""
        self._output.append(octets)
        self._pending += len(octets)

    def flush(self) -> None:
        """Send what was said."""
        if self._output:
            if not self.gone:
                self.transport.write(b"".join(self._output) if len(self._output) > 1 else self._output[0])
            self._output.clear()
            self._pending = 0

    def end(self, reply: bytes) -> None:
        """Have the session end at its next wait, or at once if it is waiting: last words `reply`."""
        if self._closing is None:
            self._closing = reply
            self._wake()

    async def line(self, limit: int) -> bytes | None:
        """The next line with its line end, or None when it was longer than `limit` and has been read over.

        `overlong` is then how it began.
        Raises ConnectionEnd.
        """
        overlong = False
        since = 0.0
        while (end := self.unread.find(b"\n", self._searched)) < 0:
            if len(self.unread) > limit:
                if not overlong:
                    self.overlong = bytes(self.unread[:OVERLONG_KEPT])
                overlong = True
                self.unread.clear()
            self._searched = len(self.unread)
            since = since or self.loop.time()
            await self._more(since)
        line = bytes(self.unread[: end + 1])
        del self.unread[: end + 1]
        self._searched = 0
        if overlong:
            return None
        if len(line) > limit:
            self.overlong = line[:OVERLONG_KEPT]
            return None
        return line

    async def receive(self, receiving: Receiving) -> None:
        """Read one message to its real end. Raises ConnectionEnd."""
        self._receiving = receiving
        self.bulk = True
        try:
            if self.unread:
                octets = bytes(self.unread)
                self.unread.clear()
                receiving.take(octets)
            while not receiving.scanner.finished:
                await self._more(0.0)
        except ConnectionEnd:
            receiving.forget()
            raise
        finally:
            self._receiving = None
            self.bulk = False
            self._searched = 0
        self.unread[:0] = receiving.scanner.rest

    async def _more(self, since: float) -> None:
        """Wait for input. `since`: when the wait began, or 0 while a message is watched instead."""
        if self._closing is not None:
            raise ConnectionEnd(self._closing)
        self.flush()
        if self._drained is not None:
            await self.drained()
        if self._ended:
            raise ConnectionEnd
        if self._stopped:
            self._stopped = False
            self.transport.resume_reading()
        size = len(self.unread)
        self._waiter = self.loop.create_future()
        self.waiting_since = since
        await self._waiter
        self.waiting_since = 0.0
        self._check_alive(len(self.unread) > size)

    def _check_alive(self, progress: bool) -> None:
        """Raise ConnectionEnd when we have been told to end, or when no more can come."""
        if self._closing is not None:
            raise ConnectionEnd(self._closing)
        receiving = self._receiving
        if receiving is not None:
            progress = receiving.scanner.finished
        if self.gone or (self._ended and not progress):
            raise ConnectionEnd

    async def drained(self) -> None:
        """Wait for a peer that does not read. Raises ConnectionEnd."""
        if self._drained is not None and not self.gone:
            self.waiting_since = self.loop.time()
            await self._drained
            self.waiting_since = 0.0
        if self.gone:
            raise ConnectionEnd

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
