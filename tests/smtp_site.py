"""The mta and the msa of one host on loopback, with the real spool, directory and certificates, for SMTP tests.

Only DNS (a zone in a dictionary) and the passwords (another) are the tests' own.
"""

import asyncio
import contextlib
import datetime
import json
import re
import socket
import sqlite3
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from postroom.contracts.auth import Login, LoginAttempt
from postroom.contracts.errors import LoginRefused
from postroom.couriers.fullness import FullAccountsFolder
from postroom.directory.apply import apply
from postroom.directory.reader import SqliteDirectory
from postroom.directory.reading import read_document
from postroom.entrance.admission import Entrance
from postroom.msa.app import LISTENERS, listener_limits
from postroom.msa.config import MsaConfig
from postroom.msa.counters import Counters
from postroom.msa.reception import MsaReception
from postroom.mta.config import MtaConfig
from postroom.mta.reception import MtaReception
from postroom.mta.repetition import Repetition, shared_secret
from postroom.mta.verification import Verifier
from postroom.policy.lookups import Answer, LookupStatus, Query, answer_with
from postroom.queue.sqlite.lifecycle import Spool
from postroom.runtime.clock import SystemClock
from postroom.runtime.tls import TlsStore
from postroom.smtpd.reception import ListenerSettings
from postroom.smtpd.routing import DirectoryRouter
from postroom.smtpd.server import SmtpServer
from postroom.smtpd.settings import session_limits
from postroom.wire.sasl import parse_plain

HOST = "mail.alpha.example"
SECRETS = (b"a secret of some length",)
PASSWORDS = {
    "ada@alpha.example": "ada's password",
    "bob@alpha.example": "bob's password",
    "off@alpha.example": "a disabled account's password",
}
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "domains": [
        {"name": "alpha.example", "home": HOST},
        {"name": HOST, "home": HOST},
        {"name": "gamma.example", "home": HOST},
        {"name": "alias.example", "home": HOST, "alias_of": "alpha.example"},
        {"name": "catch.example", "home": HOST, "catch_all": ["bob@alpha.example"]},
    ],
    "accounts": [
        {"id": "id-ada", "address": "ada@alpha.example", "addresses": ["ada.l@alpha.example"]},
        {"id": "id-bob", "address": "bob@alpha.example"},
        {"id": "id-eve", "address": "eve@gamma.example"},
        {"id": "id-off", "address": "off@alpha.example", "state": "disabled"},
        {
            "id": "id-few",
            "address": "few@alpha.example",
            "limits": {"messages_per_day": 2, "recipients_per_day": 3},
        },
    ],
    "aliases": [
        {"address": "team@alpha.example", "members": ["ada@alpha.example", "bob@alpha.example"]},
        {"address": "away@alpha.example", "members": ["someone@outside.example"]},
        {"address": f"root@{HOST}", "members": ["ada@alpha.example"]},
        {"address": f"postmaster@{HOST}", "members": ["ada@alpha.example"]},
    ],
}


@dataclass(frozen=True)
class Row:
    """A message as it stands in the spool."""

    id: str
    sender: str
    origin: str
    message_id: str
    signing_domain: str
    vouched: bool
    authentication: str
    account: str
    recipients: tuple[tuple[str, str, str, str | None], ...]  # hop, address, account, sender
    head: bytes
    body: bytes
    size: int

    @property
    def content(self) -> bytes:
        return self.head + self.body


class Zone:
    """DNS in a dictionary; drives policies as the resolver does."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Sequence[Any] | LookupStatus] = {}

    def __call__(self, query: Query) -> Answer:
        found = self.rows.get((query.name.lower(), query.type.value), ())
        if isinstance(found, LookupStatus):
            return Answer(found)
        return Answer(LookupStatus.FOUND, tuple(found)) if found else Answer(LookupStatus.NXDOMAIN)

    async def run(self, steps: Any, seconds: float = 20.0) -> Any:
        await asyncio.sleep(0)
        return answer_with(steps, self)


class Passwords:
    """An Authenticator that knows nothing of accounts."""

    def __init__(self) -> None:
        self.attempts: list[LoginAttempt] = []

    async def authenticate(self, attempt: LoginAttempt) -> Login:
        self.attempts.append(attempt)
        plain = parse_plain(attempt.response)
        if PASSWORDS.get(plain.name) != plain.password:
            raise LoginRefused
        return Login("id-" + plain.name.partition("@")[0], plain.name)


class Lines:
    """A Log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def enabled(self, level: str) -> bool:
        return True

    def debug(self, text: str, *, client: str = "", **fields: str) -> None:
        self.lines.append(("debug", text))

    def info(self, text: str, *, client: str = "", **fields: str) -> None:
        self.lines.append(("info", text))

    def warning(self, text: str, *, client: str = "", **fields: str) -> None:
        self.lines.append(("warning", text))

    def error(self, text: str, *, client: str = "", **fields: str) -> None:
        self.lines.append(("error", text))

    @property
    def errors(self) -> list[str]:
        return [text for level, text in self.lines if level == "error"]


class Dialog:
    """A raw client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def reply(self) -> str:
        """The next whole reply, lines joined by newlines; "" at the end."""
        lines = []
        while line := (await asyncio.wait_for(self.reader.readline(), 60)).decode():
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                break
        return "\n".join(lines)

    async def ask(self, line: str) -> str:
        self.send(line.encode("latin-1") + b"\r\n")
        return await self.reply()

    async def replies(self) -> list[str]:
        """All replies until the server closes, also when it is gone before it has heard our own end."""
        octets = b""
        with contextlib.suppress(ConnectionError):
            while piece := await asyncio.wait_for(self.reader.read(65_536), 10):
                octets += piece
        return re.findall(r"(?m)^\d{3} .*$|^\d{3}$", octets.decode().replace("\r", ""))

    async def send_message(self, sender: str, recipients: Sequence[str], message: bytes) -> str:
        """MAIL, RCPT and DATA; the last reply, or the first that is not positive."""
        for line in (f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{one}>" for one in recipients)):
            reply = await self.ask(line)
            if reply[0] != "2":
                return reply
        reply = await self.ask("DATA")
        if reply[0] != "3":
            return reply
        self.send(message + b".\r\n")
        return await self.reply()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        await self.writer.start_tls(context, server_hostname=HOST)

    def close(self) -> None:
        self.writer.close()


@dataclass
class Site:
    """Servers by the name of their socket."""

    folder: Path
    servers: dict[str, SmtpServer]
    ports: dict[str, int]
    zone: Zone
    log: Lines
    passwords: Passwords
    certificate: Path
    clients: list[Dialog] = field(default_factory=list)

    @property
    def socket_path(self) -> Path:
        return self.folder / "submit.sock"

    def client_tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    async def connect(self, name: str = "smtp", *, tls: bool = False) -> Dialog:
        """A client that has heard nothing yet."""
        if name == "local":
            dialog = Dialog(*await asyncio.open_unix_connection(str(self.socket_path)))
        else:
            options: dict[str, Any] = {"ssl": self.client_tls(), "server_hostname": HOST} if tls else {}
            dialog = Dialog(*await asyncio.open_connection("127.0.0.1", self.ports[name], **options))
        self.clients.append(dialog)
        return dialog

    async def greeted(self, name: str = "smtp", *, tls: bool = False) -> Dialog:
        """A client that has said EHLO."""
        dialog = await self.connect(name, tls=tls)
        assert (await dialog.reply()).startswith("220 ")
        assert (await dialog.ask("EHLO client.example")).startswith("250-")
        return dialog

    async def logged_in(self, who: str = "ada@alpha.example") -> Dialog:
        """A client at 465 that has logged in."""
        from base64 import b64encode

        dialog = await self.greeted("submissions", tls=True)
        response = b64encode(f"\0{who}\0{PASSWORDS[who]}".encode()).decode()
        assert (await dialog.ask(f"AUTH PLAIN {response}")).startswith("235 ")
        return dialog

    def queued(self, agent: str = "mta") -> list[Row]:
        """What stands in the spool, oldest first."""
        database = sqlite3.connect(f"file:{self.folder}/{agent}/{agent}-1.db?mode=ro", uri=True)
        database.row_factory = sqlite3.Row
        with contextlib.closing(database):
            rows = database.execute("SELECT * FROM message ORDER BY seq").fetchall()
            return [self._row(database, agent, row) for row in rows]

    def _row(self, database: sqlite3.Connection, agent: str, row: sqlite3.Row) -> Row:
        if row["body_file"]:
            body = (self.folder / agent / row["body_file"]).read_bytes()[row["body_start"] :]
        else:
            body = row["body"]
        found = database.execute(
            "SELECT * FROM recipient WHERE message=? ORDER BY number", (row["seq"],)
        ).fetchall()
        recipients = tuple((one["hop"], one["address"], one["account"], one["sender"]) for one in found)
        names = (
            "id",
            "sender",
            "origin",
            "message_id",
            "signing_domain",
            "authentication",
            "account",
            "head",
            "size",
        )
        return Row(
            **{name: row[name] for name in names},
            vouched=bool(row["vouched"]),
            recipients=recipients,
            body=body,
        )


def make_certificate(folder: Path, name: str = HOST) -> None:
    """A certificate signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True)
    encoding = serialization.Encoding.PEM
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(encoding))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))


def listening(port: int = 0) -> socket.socket:
    found = socket.create_server(("127.0.0.1", port), backlog=256)
    found.setblocking(False)
    return found


@contextlib.asynccontextmanager
async def running(folder: Path, settings: Mapping[str, Any] | None = None) -> AsyncIterator[Site]:
    """A site in a folder; `settings` are added to both agents' where they have such a field."""
    settings = dict(settings or {})
    clock, log, zone, passwords = SystemClock(), Lines(), Zone(), Passwords()
    tls = TlsStore(str(folder / "tls"))
    make_certificate(folder / "tls" / HOST)
    (folder / "full").mkdir()
    apply(folder / "directory.db", read_document(json.dumps(DOCUMENT).encode()))
    directory = SqliteDirectory(folder / "directory.db")
    spools = {}
    for agent in ("mta", "msa"):
        spools[agent] = Spool(str(folder / agent), 1, clock, _fail, run_directory=str(folder))
        spools[agent].open()
    mta_config = MtaConfig(
        host_name=HOST, over_quota_directory=str(folder / "full"), **_fitting(MtaConfig, settings)
    )
    msa_config = MsaConfig(host_name=HOST, **_fitting(MsaConfig, settings))
    router = DirectoryRouter(directory, HOST, clock, SECRETS)
    verifier = Verifier(zone, HOST, clock, honour_dmarc=mta_config.honour_dmarc)
    mta = MtaReception(
        config=mta_config, spool=spools["mta"], router=router, clock=clock, log=log,
        verifier=verifier if mta_config.verify_authentication else None,
        fullness=FullAccountsFolder(mta_config.over_quota_directory),
        repetition=Repetition(shared_secret(str(folder / "mta"))),
    )  # fmt: skip
    counters = Counters(str(folder / "counters.db"))
    msa = MsaReception(
        config=msa_config, spool=spools["msa"], router=router, clock=clock, log=log,
        directory=directory, entrance=Entrance("smtp", passwords, directory), counters=counters,
    )  # fmt: skip
    servers = {
        "smtp": _server(
            mta, session_limits(mta_config, mta_config.max_recipients), ListenerSettings("smtp"), log, tls
        )
    }
    servers |= {
        listener.service: _server(msa, listener_limits(msa_config, listener), listener, log, tls)
        for listener in LISTENERS
    }
    site = Site(folder, servers, {}, zone, log, passwords, folder / "tls" / HOST / "fullchain.pem")
    for name, server in servers.items():
        await server.start([await _bind(site, name)])
    try:
        yield site
    finally:
        for client in site.clients:
            client.close()
        await asyncio.gather(*(server.drain(0.5) for server in servers.values()))
        for spool in spools.values():
            await spool.close()
        counters.close()


async def _bind(site: Site, name: str) -> socket.socket:
    if name == "local":
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        found.bind(str(site.socket_path))
        found.listen(64)
        found.setblocking(False)
        return found
    found = listening()
    site.ports[name] = found.getsockname()[1]
    return found


def _server(reception: Any, limits: Any, listener: ListenerSettings, log: Any, tls: TlsStore) -> SmtpServer:
    return SmtpServer(
        host_name=HOST,
        reception=reception,
        limits=limits,
        listener=listener,
        log=log,
        certificates=tls.context,
    )


def _fitting(kind: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name in kind.__struct_fields__}


def _fail(text: str) -> Any:
    raise AssertionError(text)
