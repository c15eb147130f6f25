"""TLS on the server's side, between a socket and a session. It bounds the handshake in time and all else in memory.

The event loop's own TLS keeps up to a megabyte for each connection of a stranger; this one decrypts into the buffers
that all connections of a worker share.
"""

import asyncio
import contextlib
import socket
import ssl
from typing import Any, Final, NamedTuple, cast

from postroom.runtime.plain_transport import BUFFERS, HIGH_WATER, PlainTransport, Receiver

RECORD: Final = 16_384  # largest plain text of one TLS record (RFC 8446 section 5.1)
UNASKED: Final = 65_536  # octets of automatic TLS answers to a peer that does not read
UNHEARD: Final = 65_536  # octets that a peer may send after we have closed our side
SHUTDOWN_SECONDS: Final = 30.0  # for a peer to read the last octets and to close its side


class _Channel(NamedTuple):
    """OpenSSL's objects: the TLS state, its input and its output."""

    tls: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO


class TlsTransport(PlainTransport, asyncio.Transport):
    """A protocol and a transport in one.

    The socket's transport sees this object as its protocol; the session sees it as its transport, once the handshake is
    done.
    """

    def __init__(self, receiver: Receiver, context: ssl.SSLContext, seconds: float) -> None:
        """Wrap `receiver`. The handshake may take `seconds`."""
        PlainTransport.__init__(self, receiver)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        self._channel: _Channel | None = _Channel(
            tls,
            incoming,
            outgoing,
            # None once TLS has ended and the connection is closing.
        )
        self._transport: asyncio.Transport
        self._shaken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._undeciphered = b""  # encrypted input that arrived while reading was paused
        self._paused = self._stalled = self._ended = False
        self._unasked = self._unheard = 0

    # handshake

    async def handshake(self) -> None:
        """Wait for the handshake. Raises TimeoutError, ssl.SSLError, ConnectionError; the connection is closed then."""
        try:
            await self._shaken
        except asyncio.CancelledError:
            self.abort()
            raise

    def _too_late(self) -> None:
        self._refuse(TimeoutError("TLS handshake"))
        self.abort()

    def _refuse(self, error: Exception) -> None:
        if not self._shaken.done():
            self._shaken.set_exception(error)
            self._shaken.exception()  # avoid a warning when no task awaits it

    def _shake(self, channel: _Channel) -> None:
        try:
            channel.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send(channel)
            return
        except ssl.SSLError as error:
            self._send(channel)  # sends the alert
            self._refuse(error)
            self._finish()
            return
        self._send(channel)
        self._stop_timer()
        self._shaken.set_result(None)
        self._receiver.connection_made(self)
        self._decipher(b"")  # octets may have come with the end of the handshake

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # called by the socket's transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(HIGH_WATER)
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._too_late)

    def buffer_updated(self, nbytes: int) -> None:
        channel = self._channel
        if channel is None:
            self._unheard += nbytes
            if self._unheard > UNHEARD:
                self._transport.abort()
            return
        octets = self._large[:nbytes]
        if self._shaken.done():
            self._decipher(octets)
        else:
            channel.incoming.write(octets)
            self._shake(channel)

    def _decipher(self, octets: bytes | memoryview) -> None:
        """Decrypt these octets and earlier ones, and pass them on until the session pauses reading."""
        channel = self._channel
        if channel is None:
            return
        if self._paused:
            self._undeciphered += octets
            return
        try:
            self._hand_on(channel, memoryview(octets))
        except ssl.SSLError:  # the input was tampered with, or is not TLS
            self._send(channel)
            self._finish()
            return
        if channel.outgoing.pending:
            self._answer_by_itself(channel)
        if self._ended and not self._paused:
            self._end()

    def _hand_on(self, channel: _Channel, octets: memoryview) -> None:
        tls, incoming, _ = channel
        clear = BUFFERS.clear if self._receiver.bulk else BUFFERS.clear_small
        held = 0
        while not self._paused and self._channel is not None:
            if not incoming.pending and not tls.pending():
                if not octets:
                    break
                incoming.write(octets[:RECORD])  # a BIO never shrinks, so fill it in small steps
                octets = octets[RECORD:]
            try:
                count = cast(int, tls.read(len(clear) - held, clear[held:]))
            except ssl.SSLWantReadError:
                continue
            if not count:
                self._ended = True  # close_notify
                break
            held += count
            if held == len(clear):
                held = 0
                self._receiver.data_received(clear.tobytes())
        if held:
            self._receiver.data_received(clear[:held].tobytes())
        if self._channel is not None:
            self._undeciphered = octets.tobytes()

    def _answer_by_itself(self, channel: _Channel) -> None:
        """Answer a change of keys (RFC 8446 section 4.6.3), unless the peer keeps asking without reading."""
        if self._stalled:
            self._unasked += channel.outgoing.pending
        if self._unasked > UNASKED:
            self.abort()
        else:
            self._send(channel)

    def eof_received(self) -> bool | None:
        self._ended = True
        if not self._shaken.done():
            self._refuse(ConnectionResetError("peer left during the TLS handshake"))
            return False
        if self._paused and self._channel is not None:
            return True  # after the remaining input has been decrypted
        self._end()
        return False

    def _end(self) -> None:
        """Close when the peer sends nothing more; TLS does not stay half open."""
        if self._channel is not None:
            self._receiver.eof_received()
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._forget()
        self._refuse(ConnectionResetError("peer left during the TLS handshake"))
        self._receiver.connection_lost(exc)
        del self._receiver  # break the reference cycle, which only the garbage collector could free

    def pause_writing(self) -> None:
        self._stalled = True
        self._receiver.pause_writing()

    def resume_writing(self) -> None:
        self._stalled = False
        self._unasked = 0
        self._receiver.resume_writing()

    # called by the session

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return `ssl_object`, or what the socket's transport knows."""
        if name == "ssl_object" and self._channel is not None:
            return self._channel.tls
        return self._transport.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send. After `close` nothing is sent."""
        channel, rest = self._channel, memoryview(data)
        if channel is None:
            return
        encrypt, take = channel.tls.write, channel.outgoing.read
        records: list[bytes] = []
        try:
            while rest:
                rest = rest[encrypt(rest) :]  # one record at a time
                records.append(take())
        except ssl.SSLError:
            self.abort()
            return
        self._transport.writelines(records)  # joined, because each write would be a system call

    def _send(self, channel: _Channel) -> None:
        if channel.outgoing.pending:
            self._transport.write(channel.outgoing.read())

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the limits for octets that the socket has not accepted."""
        self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Return the octets that the socket has not accepted."""
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        """Stop passing octets to the session."""
        self._paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Pass octets to the session again, but not before this method returns."""
        if self._paused:
            self._paused = False
            asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        if not self._paused:
            octets, self._undeciphered = self._undeciphered, b""
            try:
                self._decipher(octets)
            except BaseException:  # as the loop does when reading fails: never go on after a gap
                self.abort()
                raise
        if not self._paused and self._channel is not None:
            self._transport.resume_reading()

    def is_closing(self) -> bool:
        """Return whether nothing can be written any more."""
        return self._channel is None or self._transport.is_closing()

    def close(self) -> None:
        """Send close_notify and wait for the peer to close its side, or it might lose the last octets."""
        channel = self._channel
        if channel is None:
            return
        if self._shaken.done():
            with contextlib.suppress(ssl.SSLError):
                channel.tls.unwrap()  # sends close_notify; raises because the peer's has not arrived
            self._send(channel)
        if self._ended or not self._shaken.done():
            self._finish()
            return
        self._forget()
        self._hurry()
        try:
            self._transport.write_eof()
            self._transport.resume_reading()
        except (OSError, RuntimeError):
            self._transport.abort()

    def _finish(self) -> None:
        """Close once the output has been sent, for which the peer has limited time."""
        self._forget()
        self._hurry()
        self._transport.close()

    def _hurry(self) -> None:
        """Abort the connection if the peer takes too long to read the rest and to close."""
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(SHUTDOWN_SECONDS, self._transport.abort)

    def abort(self) -> None:
        """Close at once."""
        self._forget()
        self._transport.abort()

    def _forget(self) -> None:
        """Drop the TLS state to free its memory."""
        self._channel = None
        self._undeciphered = b""


async def accept_tls(
    accepted: socket.socket, receiver: Receiver, context: ssl.SSLContext, seconds: float
) -> None:
    """Start TLS on an accepted socket. Raises TimeoutError, ssl.SSLError, OSError; the socket is closed then."""
    transport = TlsTransport(receiver, context, seconds)
    try:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: transport, accepted)
    except OSError:
        accepted.close()
        raise
    await transport.handshake()


async def begin_tls(
    transport: asyncio.Transport, receiver: Receiver, context: ssl.SSLContext, seconds: float
) -> None:
    """Start TLS on a plain transport. Raises as accept_tls does."""
    if transport.is_closing():
        raise ConnectionResetError("peer left before the TLS handshake")
    secured = TlsTransport(receiver, context, seconds)
    secured.connection_made(transport)
    transport.set_protocol(secured)
    transport.resume_reading()
    await secured.handshake()
