"""Connections of our own line protocols: reading with a deadline, writing with back-pressure, TLS, caps.

A handler is a coroutine that owns one Connection from greeting to close; `Listener` accepts, counts and drains.
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

from postroom.runtime.log import Log
from postroom.runtime.service import where

UNREAD_LIMIT = 65_536
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class PeerInjected(Exception):
    """Octets arrived in plain text behind the command that starts TLS: they may be an attacker's (RFC 3207 section 6)."""


@dataclass(frozen=True, slots=True)
class Caps:
    """How many connections are held, and for whom `per_client` does not count."""

    total: int
    per_client: int
    trusted: tuple[Network, ...] = ()
    handshake_timeout: float = 30.0

    def trusts(self, client: str) -> bool:
        """Whether the address is exempt from the cap per client."""
        if not self.trusted:
            return False
        try:
            address = ipaddress.ip_address(client)
        except ValueError:
            return False
        return any(address in network for network in self.trusted)


def networks(texts: list[str]) -> tuple[Network, ...]:
    """Networks as the settings name them. Raises ValueError."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


class Connection(asyncio.Protocol):
    """One accepted connection. `timeout` bounds every read and every drain, in seconds."""

    def __init__(self, listener: "Listener") -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()
        self._eof = False
        self._writable: asyncio.Future[None] | None = None
        self._readable: asyncio.Future[None] | None = None
        self._paused = False
        self.timeout = 300.0
        self.peer = ""
        self.secured = False
        self.tls_version = ""
        self.cipher = ""

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self.peer:
            self.peer = _peer_name(transport)
            self._transport.pause_reading()
            self._listener.accepted(self)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if len(self._unread) >= UNREAD_LIMIT and self._transport:
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
        if self._writable and not self._writable.done():
            self._writable.set_exception(ConnectionResetError("peer is gone"))

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._writable and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def _wake(self) -> None:
        if self._readable and not self._readable.done():
            self._readable.set_result(None)

    # the handler's side

    async def read(self) -> bytes:
        """What has come; b"" when the peer has closed. Raises TimeoutError after `timeout` seconds of silence."""
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
        """Wait while the peer reads slower than we write. Raises TimeoutError, ConnectionResetError."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("connection is closed")
        if self._writable:
            async with asyncio.timeout(self.timeout):
                await asyncio.shield(self._writable)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Negotiate TLS as the server.

        Raises PeerInjected: plain octets are unread. ConnectionError: the handshake failed (it is logged here, once).
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("connection is closed")
        self._transport.pause_reading()
        if self._unread:
            raise PeerInjected
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(
                self._transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=self._listener.caps.handshake_timeout,
            )
        except (OSError, ssl.SSLError, asyncio.CancelledError, TimeoutError) as error:
            if isinstance(error, asyncio.CancelledError):
                raise
            self._listener.log.info(
                f"TLS handshake failed: client={self.peer} {tls_reason(error)}", client=self.peer
            )
            raise ConnectionAbortedError("TLS handshake failed") from error
        if transport is None:
            raise ConnectionAbortedError("peer left during the TLS handshake")
        self._transport = transport
        self.secured = True
        found = cast(ssl.SSLObject, transport.get_extra_info("ssl_object"))
        self.tls_version = found.version() or ""
        self.cipher = (found.cipher() or ("",))[0]

    def resume(self) -> None:
        """Begin to read; the listener calls it when the handler starts."""
        if self._transport and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Close after what is written has gone out."""
        if self._transport:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport:
            self._transport.abort()


Handler = Callable[[Connection], Awaitable[None]]


@dataclass
class Listener:
    """Accepts connections on sockets of one kind. `tls` given: TLS begins at once; `refuse` is said when full."""

    log: Log
    handler: Handler
    caps: Caps
    tls: Callable[[], ssl.SSLContext] | None = None
    refuse: bytes = b""
    connections: set[Connection] = field(default_factory=set)
    _clients: Counter[str] = field(default_factory=Counter)
    _servers: list[asyncio.AbstractServer] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self, sockets: list[socket.socket]) -> None:
        """Serve on these listening sockets."""
        loop = asyncio.get_running_loop()
        for listening in sockets:
            create = loop.create_unix_server if listening.family == socket.AF_UNIX else loop.create_server
            self._servers.append(await create(lambda: Connection(self), sock=listening))

    def accepted(self, connection: Connection) -> None:
        """Called by a new connection: hand it to the handler, or refuse it."""
        client = connection.peer
        crowded = self._clients[client] >= self.caps.per_client and not self.caps.trusts(client)
        if len(self.connections) >= self.caps.total or crowded:
            self.log.warning(f"too many connections: client={client}", client=client)
            if self.tls is None:
                connection.write(self.refuse)
            connection.close()
            return
        self.connections.add(connection)
        self._clients[client] += 1
        task = asyncio.ensure_future(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: Connection) -> None:
        try:
            if self.tls is not None:
                await connection.start_tls(self.tls())
            else:
                connection.resume()
            await self.handler(connection)
        except PeerInjected:
            self.log.warning(
                f"plain text behind STARTTLS refused: client={connection.peer}", client=connection.peer
            )
        except (TimeoutError, ConnectionError):
            pass  # a peer that went away or fell silent is no news
        except asyncio.CancelledError:
            connection.abort()
        except Exception as error:
            self.log.error(f"internal error: client={connection.peer} {where(error)}", client=connection.peer)
        finally:
            connection.close()
            self.connections.discard(connection)
            self._clients[connection.peer] -= 1
            if not self._clients[connection.peer]:
                del self._clients[connection.peer]

    async def stop_accepting(self) -> None:
        """Leave new connections to whoever holds the sockets next."""
        for server in self._servers:
            server.close()

    async def wait_idle(self, seconds: float) -> None:
        """Wait for the handlers to end; what is left after `seconds` is cut off."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)
        for task in set(self._tasks):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)


def tls_reason(error: BaseException) -> str:
    """A failed handshake in a few words, without OpenSSL's source positions."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return "timed out" if isinstance(error, TimeoutError) else type(error).__name__


def _peer_name(transport: asyncio.BaseTransport) -> str:
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return "local"
    address = str(name[0])
    return address[7:] if address.startswith("::ffff:") else address
