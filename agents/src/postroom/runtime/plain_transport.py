"""What stands between a socket and a conversation: reading into shared buffers.

All connections of a worker read into the same two buffers, because the octets are copied out before the loop reads
again. How much is read at once depends on the peer: little from a stranger, more while a message is expected.
"""

import asyncio
import threading
from typing import Final, Protocol, cast

SMALL: Final = 2048  # octets read at once from a peer who may be anybody
LARGE: Final = 65_536  # and from one who sends what was asked for: a message
HIGH_WATER: Final = 16_384  # octets that wait for a peer who may be anybody, and then no more are written
HIGH_WATER_BULK: Final = 524_288  # and for one who has asked for messages


class Receiver(Protocol):
    """A conversation's side of a connection. `bulk`: a message is expected, so much is read at once."""

    bulk: bool

    def connection_made(self, transport: asyncio.BaseTransport, /) -> None:
        """The transport to write to; when TLS has begun on it, again with the one that encrypts."""

    def data_received(self, data: bytes, /) -> None:
        """Octets have come."""

    def eof_received(self) -> bool | None:
        """No more will come; true keeps the other direction open, but not under TLS."""

    def connection_lost(self, exc: Exception | None, /) -> None:
        """The end."""

    def pause_writing(self) -> None:
        """The peer takes less than is written."""

    def resume_writing(self) -> None:
        """It has caught up."""


class _Buffers(threading.local):
    """The buffers of this thread's event loop: for what is read from a socket, and for what is deciphered."""

    def __init__(self) -> None:
        self.read = memoryview(bytearray(LARGE))
        self.clear = memoryview(bytearray(LARGE))
        self.read_small, self.clear_small = self.read[:SMALL], self.clear[:SMALL]


BUFFERS: Final = _Buffers()


class PlainTransport(asyncio.BufferedProtocol):
    """Reads for a conversation in clear."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._small, self._large = BUFFERS.read_small, BUFFERS.read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).set_write_buffer_limits(HIGH_WATER)
        self._receiver.connection_made(transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._large if self._receiver.bulk else self._small

    def buffer_updated(self, nbytes: int) -> None:
        self._receiver.data_received(self._large[:nbytes].tobytes())

    def eof_received(self) -> bool | None:
        return self._receiver.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._receiver.connection_lost(exc)

    def pause_writing(self) -> None:
        self._receiver.pause_writing()

    def resume_writing(self) -> None:
        self._receiver.resume_writing()
