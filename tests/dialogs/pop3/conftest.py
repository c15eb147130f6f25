"""postroom-auth and postroom-pop3 as real processes over a real store, for dialogs and for clients."""

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from postroom.auth.hashing import Hasher
from postroom.auth.secrets import SecretStore
from postroom.contracts.account import MailAccount
from postroom.contracts.store import Delivery
from postroom.directory.apply import apply
from postroom.directory.reading import read_document
from postroom.runtime.clock import SystemClock
from postroom.store import NoNotices, open_store

from ... import sound_accounts
from ...ports import free_port

PASSWORD = "s3cret with spaces"
PEOPLE = 60
FAR = f"""
import runpy
from postroom.pop3 import app
app.open_store = runpy.run_path({str(Path(__file__).parents[2] / "contracts/far_store.py")!r})["FarStore"]
app.main()
"""


@dataclass
class Server:
    """The running agents and the contents of their accounts."""

    folder: Path
    authority: trustme.CA
    plain: int
    secured: int
    far: bool = False  # the pop3 agent's store answers every call after 5 ms
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    _next: int = 0

    def new_person(self, *messages: bytes) -> str:
        """Return the address of a new person with these messages."""
        self._next += 1
        account = f"p{self._next}"
        asyncio.run(self.deliver(account, messages))
        return f"{account}@a.example"

    async def deliver(self, account: str, messages: tuple[bytes, ...]) -> None:
        store = open_store(str(self.folder / "accounts"), NoNotices(), SystemClock())
        for number, content in enumerate(messages):
            delivery = Delivery(account, f"{account}-{number}", account, b"", content, 1)
            assert await store.deliver([delivery]) == (None,)
        await store.close()

    def mailbox(self, address: str) -> list[tuple[int, frozenset[str]]]:
        """Return Return UIDs and flags of the person's INBOX."""

        async def look() -> list[tuple[int, frozenset[str]]]:
            store = open_store(str(self.folder / "accounts"), NoNotices(), SystemClock())
            account: MailAccount = await store.account(address.partition("@")[0], address.partition("@")[0])
            selected = await account.select("INBOX", False)
            rows = await account.rows(selected.mailbox.id)
            await store.close()
            return [(row.uid, row.flags) for row in rows]

        return asyncio.run(look())

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    def issue(self) -> None:
        """Replace the agents' certificate by a new one."""
        certificate = self.authority.issue_cert("mail.a.example", "localhost", "127.0.0.1")
        target = self.folder / "tls/mail.a.example"
        certificate.private_key_pem.write_to_path(str(target / "key.pem"))
        (target / "fullchain.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))


def _prepare(folder: Path) -> Server:
    document = {
        "version": 1,
        "domains": [{"name": "a.example", "home": "mail.a.example"}],
        "accounts": [{"id": f"p{number}", "address": f"p{number}@a.example"} for number in range(PEOPLE)],
    }
    apply(folder / "directory.db", read_document(json.dumps(document).encode()))
    secrets, verifier = SecretStore(folder / "secrets.db"), Hasher(8, 1, 1).make(PASSWORD)
    for number in range(PEOPLE):
        secrets.set(f"p{number}", verifier, 1)
    secrets.close()
    for name in ("accounts", "notice", "tls/mail.a.example"):
        (folder / name).mkdir(parents=True)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    server = Server(folder, authority, free_port(), free_port())
    server.issue()
    return server


WORKERS = {"auth": 1, "pop3": 2}


def _settings(server: Server) -> dict[str, dict[str, object]]:
    folder = server.folder
    common = {
        "host_name": "mail.a.example",
        "directory_path": f"{folder}/directory.db",
        "drain_seconds": 30.0,
    }
    auth = {
        "secrets_path": f"{folder}/secrets.db", "guesses_path": f"{folder}/guesses.db", "argon2_memory_kib": 8,
        "argon2_time": 1, "argon2_parallelism": 1, "failures_per_client": 1000, "failure_delay": 0.0,
        "listen": {"auth": [f"unix:{folder}/auth.sock"]},
    }  # fmt: skip
    pop3 = {
        "accounts_directory": f"{folder}/accounts", "notice_directory": f"{folder}/notice",
        "tls_directory": f"{folder}/tls", "auth_socket": f"{folder}/auth.sock", "max_errors": 6,
        "trusted_clients": ["127.0.0.0/8"], "login_timeout": 5.0, "workers": WORKERS["pop3"],
        "listen": {"pop3": [f"127.0.0.1:{server.plain}"], "pop3s": [f"127.0.0.1:{server.secured}"]},
    }  # fmt: skip
    return {"auth": {**common, **auth}, "pop3": {**common, **pop3}}


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(part)}" for name, part in value.items()) + "}"
    return json.dumps(value)


def start(server: Server, agent: str) -> subprocess.Popen[str]:
    """Start one agent and wait until it is ready."""
    code = f"from postroom.{agent}.app import main; main()"
    if agent == "pop3" and server.far:
        code = FAR
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--config", str(server.folder / f"{agent}.toml")],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    server.processes[agent] = process
    assert process.stderr is not None
    for _ in range(WORKERS[agent]):
        line = process.stderr.readline()
        assert "ready" in line, line + process.stderr.read()
    return process


def reload(server: Server, agent: str) -> None:
    """Reload an agent's settings and certificates, and wait for all of its workers."""
    process = server.processes[agent]
    process.send_signal(signal.SIGHUP)
    assert process.stderr is not None
    for _ in range(WORKERS[agent]):
        assert any("read again" in line for line in iter(process.stderr.readline, ""))


def stop(server: Server, agent: str, *, faulty: bool = False) -> str:
    """Stop one agent and check its log; `faulty` where a test has caused an error."""
    process = server.processes.pop(agent)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in said
    assert ("internal error" in said) is faulty
    assert PASSWORD not in said
    return said


def running(folder: Path, *, far: bool = False) -> Iterator[Server]:
    """Run both agents in a folder until the generator continues."""
    server = _prepare(folder)
    server.far = far
    for agent, settings in _settings(server).items():
        lines = (f"{name} = {_toml(value)}\n" for name, value in settings.items())
        (folder / f"{agent}.toml").write_text("".join(lines))
        start(server, agent)
    yield server
    for agent in reversed(list(server.processes)):
        stop(server, agent)


def running_and_sound(folder: Path, *, far: bool = False) -> Iterator[Server]:
    """Run both agents for many tests, and verify all accounts in the end."""
    yield from running(folder, far=far)
    sound_accounts.check(folder)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server for tests that leave the agents and the accounts as they are."""
    yield from running_and_sound(tmp_path_factory.mktemp("pop3"))


@pytest.fixture(scope="session")
def far_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same over a store that is far away."""
    yield from running_and_sound(tmp_path_factory.mktemp("far"), far=True)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """Return a server for tests that kill and restart agents."""
    yield from running(tmp_path)
