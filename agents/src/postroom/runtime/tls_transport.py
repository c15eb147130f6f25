"""TLS on the server's side, between a socket and a conversation. The handshake is bounded in time, all else in memory.

The event loop's own TLS keeps up to a megabyte for each connection of a stranger; this one deciphers into the buffers
that all connections of a worker share.
"""

import asyncio
import contextlib
import socket
import ssl
from typing import Any, Final, NamedTuple, cast

from postroom.runtime.plain_transport import BUFFERS, HIGH_WATER, PlainTransport, Receiver

RECORD: Final = 16_384  # plain octets of one TLS record at most (RFC 8446 section 5.1)
UNASKED: Final = 65_536  # octets that TLS answers by itself to a peer who does not read
UNHEARD: Final = 65_536  # octets that a peer may send after our last words
SHUTDOWN_SECONDS: Final = 30.0  # for a peer to take the last octets and to close its side


class _Channel(NamedTuple):
    """OpenSSL's side: what it deciphers from and encrypts into."""

    tls: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO


class TlsTransport(PlainTransport, asyncio.Transport):
    """To the socket's transport a protocol, to the conversation its transport, made known when TLS has begun."""

    def __init__(self, receiver: Receiver, context: ssl.SSLContext, seconds: float) -> None:
        """`seconds` are for the handshake."""
        PlainTransport.__init__(self, receiver)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        self._channel: _Channel | None = _Channel(
            tls, incoming, outgoing
        )  # None: no more TLS, we are closing
        self._transport: asyncio.Transport
        self._shaken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._undeciphered = b""  # while the conversation has enough
        self._paused = self._stalled = self._ended = False
        self._unasked = self._unheard = 0

    # the handshake

    async def handshake(self) -> None:
        """Wait for it. Raises TimeoutError, ssl.SSLError, ConnectionError; the connection is closed then."""
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
            self._shaken.exception()  # nobody may be waiting any more

    def _shake(self, channel: _Channel) -> None:
        try:
            channel.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send(channel)
            return
        except ssl.SSLError as error:
            self._send(channel)  # the alert
            self._refuse(error)
            self._finish()
            return
        self._send(channel)
        self._stop_timer()
        self._shaken.set_result(None)
        self._receiver.connection_made(self)
        self._decipher(b"")  # what came with the end of the handshake

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # what the socket's transport calls

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
        """Hand on what is in these octets and in those that came before, until the conversation has enough."""
        channel = self._channel
        if channel is None:
            return
        if self._paused:
            self._undeciphered += octets
            return
        try:
            self._hand_on(channel, memoryview(octets))
        except ssl.SSLError:  # somebody has tampered with it, or speaks no TLS
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
                incoming.write(octets[:RECORD])  # the room it once needed it keeps to the end
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
        """The answer to a change of keys (RFC 8446 section 4.6.3), but not without end to one who takes none."""
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
            return True  # after what is still to be deciphered
        self._end()
        return False

    def _end(self) -> None:
        """The peer sends nothing more; TLS does not stay half open."""
        if self._channel is not None:
            self._receiver.eof_received()
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._forget()
        self._refuse(ConnectionResetError("peer left during the TLS handshake"))
        self._receiver.connection_lost(exc)
        del self._receiver  # which knows us: both would have to wait for the garbage collector

    def pause_writing(self) -> None:
        self._stalled = True
        self._receiver.pause_writing()

    def resume_writing(self) -> None:
        self._stalled = False
        self._unasked = 0
        self._receiver.resume_writing()

    # what the conversation calls

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`ssl_object`, or what the socket's transport knows."""
        if name == "ssl_object" and self._channel is not None:
            return self._channel.tls
        return self._transport.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send; after `close` nothing goes out."""
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
        self._transport.writelines(records)  # one by one, each would be a call of the system

    def _send(self, channel: _Channel) -> None:
        if channel.outgoing.pending:
            self._transport.write(channel.outgoing.read())

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Of what the socket has not taken."""
        self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Octets that the socket has not taken."""
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        """The conversation has enough for now."""
        self._paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """It can take more: soon, but not before this returns."""
        if self._paused:
            self._paused = False
            asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        if not self._paused:
            octets, self._undeciphered = self._undeciphered, b""
            try:
                self._decipher(octets)
            except BaseException:  # as the loop does with what fails while it reads: nothing after a gap
                self.abort()
                raise
        if not self._paused and self._channel is not None:
            self._transport.resume_reading()

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._channel is None or self._transport.is_closing()

    def close(self) -> None:
        """Say that we are done and wait a while for the peer to close its side: else it may lose our last words."""
        channel = self._channel
        if channel is None:
            return
        if self._shaken.done():
            with contextlib.suppress(ssl.SSLError):
                channel.tls.unwrap()  # sends close_notify; it would wait for the peer's
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
        """Close when all has gone out, for which the peer has a while."""
        self._forget()
        self._hurry()
        self._transport.close()

    def _hurry(self) -> None:
        """Cut off a peer that takes too long to take the rest and to leave."""
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(SHUTDOWN_SECONDS, self._transport.abort)

    def abort(self) -> None:
        """Close at once."""
        self._forget()
        self._transport.abort()

    def _forget(self) -> None:
        """No more TLS: what it kept is free."""
        self._channel = None
        self._undeciphered = b""


async def accept_tls(
    accepted: socket.socket, receiver: Receiver, context: ssl.SSLContext, seconds: float
) -> None:
    """TLS from the first octet on an accepted socket. Raises TimeoutError, ssl.SSLError, OSError: it is closed."""
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
    """TLS on a transport that was in clear until now. Raises as accept_tls does."""
    if transport.is_closing():
        raise ConnectionResetError("peer left before the TLS handshake")
    secured = TlsTransport(receiver, context, seconds)
    secured.connection_made(transport)
    transport.set_protocol(secured)
    transport.resume_reading()
    await secured.handshake()
