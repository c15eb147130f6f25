"""The layer between a socket and a session: reading into shared buffers.

All connections of a worker read into the same two buffers, because the octets are copied out before the loop reads
again. How much is read at once depends on the peer: little from a stranger, more while a message is expected.
"""

import asyncio
import threading
from typing import Final, Protocol, cast

SMALL: Final = 2048  # octets read at once from a stranger
LARGE: Final = 65_536  # octets read at once while a message is expected
HIGH_WATER: Final = 16_384  # unsent octets at which writing to a stranger pauses
HIGH_WATER_BULK: Final = 524_288  # the same for a client that has logged in


class Receiver(Protocol):
    """A session's side of a connection. `bulk` says that a message is expected, so reads are large."""

    bulk: bool

    def connection_made(self, transport: asyncio.BaseTransport, /) -> None:
        """Take the transport to write to. Called again with the encrypting transport when TLS has begun."""

    def data_received(self, data: bytes, /) -> None:
        """Take octets that have arrived."""

    def eof_received(self) -> bool | None:
        """Note the end of input. Return true to keep the other direction open, which TLS does not allow."""

    def connection_lost(self, exc: Exception | None, /) -> None:
        """Note that the connection is closed."""

    def pause_writing(self) -> None:
        """Pause, because the peer reads slower than the session writes."""

    def resume_writing(self) -> None:
        """Go on, because the peer has caught up."""


class _Buffers(threading.local):
    """The buffers of this thread's event loop, one for reading from a socket and one for decrypted octets."""

    def __init__(self) -> None:
        self.read = memoryview(bytearray(LARGE))
        self.clear = memoryview(bytearray(LARGE))
        self.read_small, self.clear_small = self.read[:SMALL], self.clear[:SMALL]


BUFFERS: Final = _Buffers()


class PlainTransport(asyncio.BufferedProtocol):
    """Reads for a session without TLS."""

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
