"""Connections of our own line protocols: reads with a deadline, writes with back-pressure, TLS, limits.

A handler is a coroutine that owns one Connection from greeting to close; `Listener` accepts, counts and drains.
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from postroom.runtime.config import ConfigError
from postroom.runtime.log import Log
from postroom.runtime.plain_transport import HIGH_WATER_BULK, LARGE, SMALL, PlainTransport
from postroom.runtime.service import where
from postroom.runtime.shared_counters import SharedCounter
from postroom.runtime.tls_transport import accept_tls, begin_tls

LOCAL = "local"  # name of a peer on a unix socket
LINGER = 30.0  # seconds for a peer to read the last output before the connection is aborted
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class PeerInjected(Exception):
    """Plain text followed the command that starts TLS; it may come from an attacker (RFC 3207 section 6)."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections are accepted. `per_client` does not apply to `trusted` networks."""

    total: int
    per_client: int
    trusted: tuple[Network, ...] = ()
    handshake_timeout: float = 30.0

    def trusts(self, client: str) -> bool:
        """Return whether the address is exempt from the limit per client."""
        if not self.trusted:
            return False
        try:
            address = ipaddress.ip_address(client)
        except ValueError:
            return False
        return any(address in network for network in self.trusted)


def networks(texts: list[str]) -> tuple[Network, ...]:
    """Parse the networks of a setting. Raises ValueError."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def connection_limits(total: int, per_client: int, trusted_clients: list[str]) -> ConnectionLimits:
    """Return the limits that the settings name. Raises ConfigError: malformed network."""
    try:
        return ConnectionLimits(total, per_client, networks(trusted_clients))
    except ValueError as error:
        raise ConfigError(f"trusted_clients: {error}: give networks such as 192.0.2.0/24") from error


class Connection(asyncio.Protocol):
    """One accepted connection. `timeout` bounds every read and every drain, in seconds."""

    def __init__(self, peer: str, listener: "Listener") -> None:
        self.peer = peer
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()
        self._eof = False
        self._writable: asyncio.Future[None] | None = None
        self._readable: asyncio.Future[None] | None = None
        self._cut_off: asyncio.TimerHandle | None = None
        self._paused = False
        self.bulk = False
        self.timeout = 300.0
        self.secured = False
        self.tls_version = ""
        self.cipher = ""

    # called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self.peer == LOCAL:
            self.trust()  # a program of this host
        found = transport.get_extra_info("ssl_object")
        if found is not None:
            self.secured = True
            self.tls_version = found.version() or ""
            self.cipher = (found.cipher() or ("",))[0]

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if len(self._unread) >= (LARGE if self.bulk else SMALL) and self._transport:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self._eof = True
        self._wake()
        return not self.secured  # TLS cannot stay half open

    def connection_lost(self, exc: Exception | None) -> None:
        self._eof = True
        self._wake()
        if self._cut_off:
            self._cut_off.cancel()
        if self._writable and not self._writable.done():
            self._writable.set_exception(ConnectionResetError("peer is gone"))
            self._writable.exception()  # avoid a warning when no task awaits it

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._writable and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def _wake(self) -> None:
        if self._readable and not self._readable.done():
            self._readable.set_result(None)

    # called by the handler

    async def read(self) -> bytes:
        """Return what has arrived, or b"" at the end. Raises TimeoutError after `timeout` seconds of silence."""
        if not self._unread and not self._eof:
            self._readable = asyncio.get_running_loop().create_future()
            async with asyncio.timeout(self.timeout):
                await self._readable
        octets = bytes(self._unread)
        self._unread.clear()
        if self._paused and self._transport and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()
        return octets

    def write(self, octets: bytes) -> None:
        """Queue octets for the peer."""
        if self._transport and not self._transport.is_closing():
            self._transport.write(octets)

    async def drain(self) -> None:
        """Wait while the peer reads slower than the handler writes. Raises TimeoutError, ConnectionResetError."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("connection is closed")
        if self._writable:
            async with asyncio.timeout(self.timeout):
                await asyncio.shield(self._writable)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Negotiate TLS as the server.

        Raises PeerInjected: plain text is unread. ConnectionError: the handshake failed, which is logged here.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("connection is closed")
        self._transport.pause_reading()
        if self._unread:
            raise PeerInjected
        try:
            await begin_tls(self._transport, self, context, self._listener.limits.handshake_timeout)
        except (OSError, TimeoutError) as error:
            self._listener.log_handshake(self.peer, error)
            raise ConnectionAbortedError("TLS handshake failed") from error

    def trust(self) -> None:
        """Read and write in large pieces from now on, because the peer is known."""
        self.bulk = True
        if self._transport and not self._transport.is_closing():
            self._transport.set_write_buffer_limits(HIGH_WATER_BULK)

    def close(self) -> None:
        """Close after the output has been sent; abort if the peer does not read it in time."""
        if self._transport and not self._transport.is_closing():
            if self._transport.get_write_buffer_size():
                self._cut_off = asyncio.get_running_loop().call_later(LINGER, self._transport.abort)
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport:
            self._transport.abort()


Handler = Callable[[Connection], Awaitable[None]]


@dataclass
class Listener:
    """Accepts connections on one kind of socket.

    With `tls`, TLS starts at once. `refuse` is sent when the listener is full.

    Listeners that share a counter share its limits.
    """

    log: Log
    handler: Handler
    limits: ConnectionLimits
    tls: Callable[[], ssl.SSLContext] | None = None
    refuse: bytes = b""
    counter: SharedCounter = field(default_factory=SharedCounter)
    _accepting: list[asyncio.Task[None]] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self, sockets: list[socket.socket]) -> None:
        """Serve on these listening sockets."""
        for listening in sockets:
            listening.setblocking(False)
            self._accepting.append(asyncio.ensure_future(self._accept(listening)))

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listening)
            except OSError as error:  # out of descriptors, or the peer left before it was accepted
                self.log.error(f"cannot accept connections: {error.strerror}")
                await asyncio.sleep(0.1)
                continue
            peer = _peer_name(address)
            # Counted before it is judged, so that workers that accept at the same moment see one another.
            self.counter.enter(peer)
            if self._crowded(peer):
                self.counter.leave(peer)
                self._turn_away(accepted, peer)
                continue
            task = asyncio.ensure_future(self._serve(accepted, Connection(peer, self)))
            self._tasks.add(task)
            task.add_done_callback(partial(self._gone, peer))

    def _gone(self, peer: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.counter.leave(peer)

    def _crowded(self, peer: str) -> bool:
        if self.counter.total > self.limits.total:
            return True
        return self.counter.count(peer) > self.limits.per_client and not self.limits.trusts(peer)

    def _turn_away(self, accepted: socket.socket, peer: str) -> None:
        self.log.warning(f"too many connections: client={peer}", client=peer)
        with contextlib.suppress(OSError):
            if self.tls is None and self.refuse:
                accepted.send(self.refuse)
        accepted.close()

    async def _serve(self, accepted: socket.socket, connection: Connection) -> None:
        try:
            await self._attach(accepted, connection)
            await self.handler(connection)
        except PeerInjected:
            self.log.warning(
                f"plain text behind STARTTLS refused: client={connection.peer}", client=connection.peer
            )
        except (TimeoutError, ConnectionError):
            pass  # a peer that left or fell silent is not worth a line
        except asyncio.CancelledError:
            connection.abort()
        except Exception as error:
            self.log.error(f"internal error: client={connection.peer} {where(error)}", client=connection.peer)
        finally:
            connection.close()

    async def _attach(self, accepted: socket.socket, connection: Connection) -> None:
        if self.tls is None:
            plain = PlainTransport(connection)
            await asyncio.get_running_loop().connect_accepted_socket(lambda: plain, accepted)
            return
        try:
            await accept_tls(accepted, connection, self.tls(), self.limits.handshake_timeout)
        except (OSError, TimeoutError) as error:
            self.log_handshake(connection.peer, error)
            raise ConnectionAbortedError from error

    def log_handshake(self, peer: str, error: BaseException) -> None:
        """Log a failed handshake in one line."""
        self.log.info(f"TLS handshake failed: client={peer} {tls_reason(error)}", client=peer)

    async def stop_accepting(self) -> None:
        """Stop accepting; another process may hold the sockets next."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)

    async def wait_idle(self, seconds: float) -> None:
        """Wait for the handlers to end, and cancel those still running after `seconds`."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)
        for task in set(self._tasks):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)


def tls_reason(error: BaseException) -> str:
    """Describe a failed handshake in a few words, without OpenSSL's source positions."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return "timed out" if isinstance(error, TimeoutError) else type(error).__name__


def _peer_name(name: object) -> str:
    if not isinstance(name, tuple):
        return LOCAL
    address = str(name[0])
    return address[7:] if address.startswith("::ffff:") else address
