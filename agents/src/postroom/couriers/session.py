"""An SMTP session with one server: connected, greeted, and under TLS if the server supports it."""

import asyncio
import ssl
from collections.abc import Callable
from enum import IntEnum
from typing import Final

from postroom.couriers.connection import ConnectionLost, PeerConnection
from postroom.runtime.log import Log
from postroom.wire.smtp import client
from postroom.wire.smtp.client import Capabilities

REMEMBERED: Final = 3600.0  # seconds for which a server's TLS level is remembered


class Security(IntEnum):
    """The levels to try, in this order: the next only where the one before failed (RFC 7435)."""

    VERIFIED = 0
    ENCRYPTED = 1  # the certificate cannot be verified
    PLAIN = 2  # the handshake fails


class ServerSession:
    """A server that is ready for transactions."""

    def __init__(self, connection: PeerConnection, server: Capabilities, host: str, tls: str) -> None:
        self.connection = connection
        self.server = server
        self.host = host  # name[address]:port, for logs
        self.tls = tls  # version, cipher and verification in words; "" without TLS
        self.messages = 0


class SessionOpener:
    """Opens sessions, and remembers for an hour which TLS level works with each server."""

    def __init__(self, name: str, log: Log, ca_file: str, connect_timeout: float, scale: float) -> None:
        """Load the trust store. `name` is sent in EHLO. Raises OSError and ssl.SSLError."""
        self._name = name
        self._log = log
        self._connect_timeout = connect_timeout
        self._scale = scale
        self._known: dict[str, tuple[Security, float]] = {}
        self._verifying = ssl.create_default_context(cafile=ca_file or None)
        self._encrypting = ssl.create_default_context(cafile=ca_file or None)
        self._encrypting.check_hostname = False
        self._encrypting.verify_mode = ssl.CERT_NONE

    async def open(self, host: str, address: str, port: int, *, last: bool) -> ServerSession:
        """Open a session.

        `last` says that no other address is left. Raises ConnectionLost, client.Refused, client.OutOfStep.
        """
        loop = asyncio.get_running_loop()
        label = label_of(host, address, port)
        security, until = self._known.get(host, (Security.VERIFIED, 0.0))
        if until < loop.time():
            security = Security.VERIFIED
        while True:
            seconds = self._connect_timeout if last else min(self._connect_timeout, 8.0)
            connection = await _connect(address, port, seconds, self._scale)
            try:
                return await self._introduce(connection, host, label, security)
            except ssl.SSLError as error:
                connection.abort()
                security = self._step_down(host, label, security, error)
            except BaseException:
                connection.quit()
                raise

    def _step_down(self, host: str, label: str, security: Security, error: ssl.SSLError) -> Security:
        certificate = isinstance(error, ssl.SSLCertVerificationError)
        weaker = Security.ENCRYPTED if certificate and security is Security.VERIFIED else Security.PLAIN
        if weaker is Security.PLAIN:
            reason = getattr(error, "reason", None) or str(error)
            self._log.warning(f"TLS handshake with {label} failed ({reason}), going on without TLS")
        if len(self._known) > 10_000:
            self._known.clear()
        self._known[host] = (weaker, asyncio.get_running_loop().time() + REMEMBERED)
        return weaker

    async def _introduce(
        self, connection: PeerConnection, host: str, label: str, security: Security
    ) -> ServerSession:
        await connection.converse(client.greeting())
        server = await connection.converse(client.hello(self._name))
        if "STARTTLS" not in server or security is Security.PLAIN:
            return ServerSession(connection, server, label, "")
        try:
            await connection.converse(client.start_tls())
        except client.SessionRefused as refusal:
            if refusal.reply.code == 421:
                raise
            return ServerSession(connection, server, label, "")
        context = self._verifying if security is Security.VERIFIED else self._encrypting
        channel = await connection.start_tls(context, host, self._connect_timeout)
        cipher = channel.cipher()
        trust = "verified" if security is Security.VERIFIED else "not verified"
        tls = f"{channel.version()} with {cipher[0] if cipher else 'unknown cipher'}, {trust}"
        self._log.info(f"TLS connection established to {label}: {tls}")
        server = await connection.converse(client.hello(self._name))
        return ServerSession(connection, server, label, tls)


def label_of(host: str, address: str, port: int) -> str:
    """Return a server's name for the log."""
    return f"{host}[{address}]:{port}"


async def _connect(address: str, port: int, seconds: float, scale: float) -> PeerConnection:
    loop = asyncio.get_running_loop()
    make: Callable[[], PeerConnection] = lambda: PeerConnection(scale)  # noqa: E731
    try:
        async with asyncio.timeout(seconds):
            _, connection = await loop.create_connection(make, address, port)
    except TimeoutError:
        raise ConnectionLost("connection timed out") from None
    except OSError as error:
        raise ConnectionLost(error.strerror or str(error)) from error
    return connection
