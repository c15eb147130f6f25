"""An SMTP session with one server: connected, introduced, under TLS where the server can do it."""

import asyncio
import ssl
from collections.abc import Callable
from enum import IntEnum
from typing import Final

from postroom.couriers.connection import ConnectionLost, PeerConnection
from postroom.runtime.log import Log
from postroom.wire.smtp import client
from postroom.wire.smtp.client import Capabilities

REMEMBERED: Final = 3600.0  # seconds for which it is known how far a server's TLS goes


class Security(IntEnum):
    """What is tried in turn: the next only where the one before failed (RFC 7435)."""

    VERIFIED = 0
    ENCRYPTED = 1  # certificate not to be verified
    PLAIN = 2  # handshake impossible


class Session:
    """A server that waits for transactions."""

    def __init__(self, connection: PeerConnection, server: Capabilities, host: str, tls: str) -> None:
        self.connection = connection
        self.server = server
        self.host = host  # name[address]:port, for logs
        self.tls = tls  # version, cipher and verification in words; "" without TLS
        self.messages = 0


class SessionOpener:
    """Opens sessions; remembers for an hour how far TLS goes with each server."""

    def __init__(self, name: str, log: Log, ca_file: str, connect_timeout: float, scale: float) -> None:
        """`name` introduces us. Raises OSError and ssl.SSLError when the trust store cannot be read."""
        self._name = name
        self._log = log
        self._connect_timeout = connect_timeout
        self._scale = scale
        self._known: dict[str, tuple[Security, float]] = {}
        self._verifying = ssl.create_default_context(cafile=ca_file or None)
        self._encrypting = ssl.create_default_context(cafile=ca_file or None)
        self._encrypting.check_hostname = False
        self._encrypting.verify_mode = ssl.CERT_NONE

    async def open(self, host: str, address: str, port: int, *, last: bool) -> Session:
        """Raises ConnectionLost, client.Refused, client.OutOfStep. `last`: there is no other address to try."""
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
    ) -> Session:
        await connection.converse(client.greeting())
        server = await connection.converse(client.hello(self._name))
        if "STARTTLS" not in server or security is Security.PLAIN:
            return Session(connection, server, label, "")
        try:
            await connection.converse(client.start_tls())
        except client.Refused as refusal:
            if refusal.reply.code == 421:
                raise
            return Session(connection, server, label, "")
        context = self._verifying if security is Security.VERIFIED else self._encrypting
        channel = await connection.start_tls(context, host, self._connect_timeout)
        cipher = channel.cipher()
        trust = "verified" if security is Security.VERIFIED else "not verified"
        tls = f"{channel.version()} with {cipher[0] if cipher else 'unknown cipher'}, {trust}"
        self._log.info(f"TLS connection established to {label}: {tls}")
        server = await connection.converse(client.hello(self._name))
        return Session(connection, server, label, tls)


def label_of(host: str, address: str, port: int) -> str:
    """A server as logs name it."""
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
