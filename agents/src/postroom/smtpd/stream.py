"""The octets of one connection: an input buffer, collected output, deadlines. The base class of a session.

aiosmtpd creates a StreamReader, a StreamWriter and a timer for each connection and logs each line. This class keeps
input in one buffer, sends replies together, and leaves all deadlines to one patrol per listener.
"""

import asyncio
from typing import Any, Final

from aiosmtpd.smtp import SMTP

from postroom.contracts.errors import Unavailable
from postroom.contracts.queue import Draft
from postroom.runtime.plain_transport import SMALL
from postroom.smtpd.reception import SessionLimits
from postroom.wire.smtp.data import DataScanner

HIGH_WATER: Final = SMALL  # unread octets at which reading pauses
OVERLONG_KEPT: Final = 64
OUTPUT_WATER: Final = 16384  # octets of replies that are sent without waiting for more


class ConnectionEnd(Exception):
    """Ends the session. `reply`, if any, is sent before closing."""

    def __init__(self, reply: bytes = b"") -> None:
        super().__init__("connection end")
        self.reply = reply


class Receiving:
    """A DATA phase in progress: the scanner, the draft, and the times for rate limits."""

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
        self.noticed = self.window = 0  # octets at the last check, and at the start of the window

    def take(self, octets: bytes) -> bool:
        """Scan a piece and store it as long as the message is acceptable. Return whether the message has ended."""
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
        """Store nothing more. The rest of the message is read and dropped."""
        if self.draft is not None:
            self.draft.discard()
            self.draft = None

    def overdue(self, now: float, limits: SessionLimits, *, pressed: bool) -> bool:
        """Return whether the peer has been silent for too long or, under pressure, sends too slowly.

        `now` is the loop's time. A pause of minutes is acceptable while there is room (RFC 5321 section 4.5.3.2).
        """
        if self.received != self.noticed:
            self.noticed, self.moved_at = self.received, now
        slow = self._slow(now, limits)
        return now - self.moved_at > limits.data_timeout or (pressed and slow)

    def _slow(self, now: float, limits: SessionLimits) -> bool:
        """Return whether the rate is below the minimum, over the window that ends now or over the whole of a long
        message.
        """
        slow, seconds = False, now - self.window_began
        if seconds >= limits.rate_window:
            slow = self.received - self.window < seconds * limits.minimum_rate
            self.window, self.window_began = self.received, now
        late = now - self.began - limits.long_data_after
        return slow or (late > 0 and self.received < late * limits.long_data_rate)


class Stream(SMTP):
    """aiosmtpd's protocol with its own input and output.

    `waiting_since` is the loop's time at which the session began to wait for the peer; 0 while it does not wait.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Do not call SMTP.__init__: it inspects classes and builds tables that are the same for every connection.
        self.loop = loop
        self.transport: Any = None
        self.waiting_since = 0.0
        self.overlong = b""  # the start of the last overlong line
        self.bulk = False  # while a message is being received
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

    # called by the transport

    def data_received(self, data: bytes) -> None:
        """Add octets to the message during DATA, otherwise to the buffer."""
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
        """Note that the peer sends nothing more. Over plain TCP the session still answers what has arrived."""
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

    # called by the session

    def write(self, octets: bytes) -> None:
        """Buffer a reply until the session waits or the buffer is large enough."""
        self._output.append(octets)
        self._pending += len(octets)

    def flush(self) -> None:
        """Send the buffered replies."""
        if self._output:
            if not self.gone:
                self.transport.write(b"".join(self._output) if len(self._output) > 1 else self._output[0])
            self._output.clear()
            self._pending = 0

    def end(self, reply: bytes) -> None:
        """End the session at its next wait, or at once if it is waiting, and send `reply` last."""
        if self._closing is None:
            self._closing = reply
            self._wake()

    async def line(self, limit: int) -> bytes | None:
        """Return the next line with its line end, or None for a line longer than `limit`, which is dropped.

        `overlong` then holds the start of that line. Raises ConnectionEnd.
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
        """Read one message up to its end. Raises ConnectionEnd."""
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
        """Wait for input. `since` is when the wait began, or 0 during DATA, which has its own deadlines."""
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
        """Raise ConnectionEnd if the session has to end or no further input can arrive."""
        if self._closing is not None:
            raise ConnectionEnd(self._closing)
        receiving = self._receiving
        if receiving is not None:
            progress = receiving.scanner.finished
        if self.gone or (self._ended and not progress):
            raise ConnectionEnd

    async def drained(self) -> None:
        """Wait until the peer has read enough of the output. Raises ConnectionEnd."""
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
