"""A real imap server on loopback for dialogs: sessions, listener, TLS and the SQLite store."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from postroom.contracts.auth import Login, LoginAttempt
from postroom.contracts.directory import Account, Domain, Entry, Rights
from postroom.contracts.errors import LoginRefused, LoginThrottled
from postroom.contracts.store import Copy, Delivery, Store
from postroom.imap.config import ImapConfig
from postroom.imap.context import ImapContext
from postroom.imap.dispatch import CommandDispatcher
from postroom.imap.handlers import HANDLERS
from postroom.imap.session import ImapSession
from postroom.runtime.clock import SystemClock
from postroom.runtime.connections import Connection, ConnectionLimits, Listener
from postroom.runtime.log import Log
from postroom.runtime.tls import TlsStore
from postroom.store import DirectoryQuotas, News
from postroom.wire.sasl import parse_plain

from ...contracts.conftest import ENGINES
from ..runner import PATIENCE, Peer

PASSWORDS = {"ada@alpha.example": "secret", "bob@alpha.example": "geheim"}


class People:
    """Authenticator and directory of two people."""

    def __init__(self) -> None:
        self.quota_bytes = 0
        self.enabled = True

    async def authenticate(self, attempt: LoginAttempt) -> Login:
        said = parse_plain(attempt.response)
        if said.name == "slow@alpha.example":
            raise LoginThrottled
        if PASSWORDS.get(said.name) != said.password:
            raise LoginRefused
        return Login(said.name.partition("@")[0], said.name)

    async def account(self, account_id: str) -> Account | None:
        return Account(
            account_id, f"{account_id}@alpha.example", enabled=self.enabled, quota_bytes=self.quota_bytes
        )

    async def domain(self, name: str) -> Domain | None:
        return None

    async def entry(self, address: str) -> Entry | None:
        return None

    async def login(self, name: str) -> Account | None:
        return await self.account(name.partition("@")[0])

    async def rights(self, account_id: str) -> Rights:
        return Rights()


def make_certificate(folder: Path) -> None:
    """Write a self-signed certificate for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True)
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for TlsStore."""
    folder = tmp_path_factory.mktemp("tls")
    make_certificate(folder / "localhost")
    return folder


@dataclass
class Server:
    """A running server and what tests do to it from outside."""

    context: ImapContext
    store: Store
    people: People
    ports: dict[str, int]
    certificate: Path
    listeners: list[Listener]
    sessions: set[CommandDispatcher] = field(default_factory=set)
    _serial: int = 0

    def client_tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    async def plain(self) -> Peer:
        return Peer(*await asyncio.open_connection("127.0.0.1", self.ports["imap"], limit=1 << 20))

    async def tls(self) -> Peer:
        return Peer(
            *await asyncio.open_connection(
                "127.0.0.1", self.ports["imaps"], ssl=self.client_tls(), limit=1 << 20
            )
        )

    async def deliver(self, account: str, content: bytes, mailbox: str = "INBOX") -> None:
        """Deliver a message as the mda does."""
        self._serial += 1
        done = await self.store.deliver(
            [
                Delivery(
                    account,
                    f"q{self._serial}",
                    f"{account}@alpha.example",
                    b"",
                    content,
                    1_700_000_000,
                    (Copy(mailbox),),
                )
            ]
        )
        assert done == (None,)


async def send(peer: Peer, octets: bytes) -> None:
    peer.writer.write(octets)
    await peer.writer.drain()


async def until(peer: Peer, start: bytes) -> bytes:
    """Return what the server sends up to a line that starts so, or up to the end."""
    heard = b""
    while line := await peer.line():
        heard += line + b"\r\n"
        if line.startswith(start):
            break
    return heard


async def ask(peer: Peer, command: bytes) -> bytes:
    """Send a command, and return what the server sends up to the tagged reply."""
    await send(peer, b"q " + command + b"\r\n")
    heard = line = b""
    while not line.startswith(b"q "):
        async with asyncio.timeout(PATIENCE):
            line = await peer.reader.readline()
        assert line, heard
        heard += line
    return heard


async def logged_in(server: Server, name: str = "ada", password: str = "secret") -> Peer:
    peer = await server.tls()
    await peer.line()
    await send(peer, f"x LOGIN {name}@alpha.example {password}\r\n".encode())
    assert b"x OK" in await until(peer, b"x ")
    return peer


@pytest.fixture
async def server(request: pytest.FixtureRequest, tmp_path: Path, certificates: Path) -> AsyncIterator[Server]:
    """Run the server with an empty SQLite store, or with the one in memory where a test asks for it."""
    for name in ("accounts", "notice"):
        (tmp_path / name).mkdir()
    config = ImapConfig(host_name="mail.alpha.example", max_message_bytes=1 << 20, login_timeout=20.0)
    people = People()
    make_store = ENGINES[getattr(request, "param", "sqlite")]
    store = make_store(
        str(tmp_path / "accounts"),
        News(str(tmp_path / "notice")),
        SystemClock(),
        quotas=DirectoryQuotas(people),
    )
    log, tls = Log("imap", "error"), TlsStore(str(certificates))
    context = ImapContext(config, SystemClock(), log, people, people, store, tls.context)
    sessions: set[CommandDispatcher] = set()

    async def serve(connection: Connection) -> None:
        session = CommandDispatcher(ImapSession(connection, context), HANDLERS)
        sessions.add(session)
        try:
            await session.run()
        finally:
            sessions.discard(session)

    limits = ConnectionLimits(1000, 1000)
    listeners = [Listener(log, serve, limits), Listener(log, serve, limits, tls=tls.context)]
    ports = {}
    for name, listener in zip(("imap", "imaps"), listeners, strict=True):
        listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        listening.setblocking(False)
        ports[name] = listening.getsockname()[1]
        await listener.start([listening])
    yield Server(context, store, people, ports, certificates / "localhost/fullchain.pem", listeners, sessions)
    for listener in listeners:
        await listener.stop_accepting()
        await listener.wait_idle(0)
    await store.close()
