"""The agent as it is started on a host, with the real auth agent and directory beside it."""

import asyncio
import contextlib
import imaplib
import json
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from postroom.auth.hashing import Hasher
from postroom.auth.secrets import SecretStore
from postroom.contracts.store import Delivery
from postroom.directory.apply import apply
from postroom.directory.reading import read_document
from postroom.imap.app import ImapAgent
from postroom.imap.config import ImapConfig
from postroom.runtime.clock import SystemClock
from postroom.runtime.config import ConfigError
from postroom.store import News, open_store

from ...ports import free_port
from .conftest import make_certificate

MAIN = "from postroom.{0}.app import main; main()"

WORKERS = {"auth": 1, "imap": 2}


class Host:
    """The auth and imap agents in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {"imap": free_port(), "imaps": free_port()}
        self.children: dict[str, asyncio.subprocess.Process] = {}
        for name in ("accounts", "notice"):
            (folder / name).mkdir()
        make_certificate(folder / "tls/localhost")
        document = {
            "version": 1,
            "domains": [{"name": "a.example", "home": "mail.a.example"}],
            "accounts": [{"id": "ada", "address": "ada@a.example", "state": "active"}],
        }
        apply(folder / "directory.db", read_document(json.dumps(document).encode()))
        secrets = SecretStore(folder / "secrets.db")
        secrets.set("ada", Hasher(8, 1, 1).make("secret"), 1)
        secrets.close()
        common = f'host_name = "mail.a.example"\ndirectory_path = "{folder}/directory.db"\n'
        (folder / "auth.toml").write_text(
            f'{common}secrets_path = "{folder}/secrets.db"\nguesses_path = "{folder}/guesses.db"\n'
            "argon2_memory_kib = 8\nargon2_time = 1\nargon2_parallelism = 1\n"
            f'listen = {{auth = ["unix:{folder}/auth.sock"]}}\n'
        )
        (folder / "imap.toml").write_text(
            f'{common}workers = {WORKERS["imap"]}\naccounts_directory = "{folder}/accounts"\nnotice_directory = "{folder}/notice"\n'
            f'tls_directory = "{folder}/tls"\nauth_socket = "{folder}/auth.sock"\n'
            f'listen = {{imap = ["127.0.0.1:{self.ports["imap"]}"], imaps = ["127.0.0.1:{self.ports["imaps"]}"]}}\n'
        )

    async def start(self, name: str) -> None:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            MAIN.format(name),
            "--config",
            f"{self.folder}/{name}.toml",
            stderr=asyncio.subprocess.PIPE,
        )
        self.children[name] = child
        for _ in range(WORKERS[name]):
            assert b"ready" in await self.line(name)

    async def line(self, name: str) -> bytes:
        stream = self.children[name].stderr
        assert stream is not None
        return await asyncio.wait_for(stream.readline(), 60)

    async def stop(self, name: str) -> int:
        child = self.children.pop(name)
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
        await child.communicate()
        return await child.wait()

    def client(self) -> imaplib.IMAP4_SSL:
        context = ssl.create_default_context(cafile=f"{self.folder}/tls/localhost/fullchain.pem")
        return imaplib.IMAP4_SSL("localhost", self.ports["imaps"], ssl_context=context)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    running = Host(tmp_path)
    await running.start("auth")
    await running.start("imap")
    yield running
    for name in tuple(running.children):
        await running.stop(name)


async def test_from_login_to_the_end_of_the_agent(host: Host) -> None:
    def before() -> imaplib.IMAP4_SSL:
        client = host.client()
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            client.login("ada@a.example", "wrong")
        client.login("ada@a.example", "secret")
        client.select("INBOX")
        client.send(b"idle1 IDLE\r\n")
        assert client.readline().startswith(b"+ ")
        return client

    client = await asyncio.to_thread(before)
    assert b"login refused: client=127.0.0.1" in (line := await host.line("imap"))
    assert b"secret" not in line
    assert b"login: account=ada@a.example" in await host.line("imap")

    store = open_store(f"{host.folder}/accounts", News(f"{host.folder}/notice"), SystemClock())
    mail = Delivery("ada", "q1", "ada@a.example", b"", b"Subject: x\r\n\r\n", 1)
    assert await store.deliver([mail]) == (None,)
    await store.close()
    assert await asyncio.to_thread(client.readline) == b"* 1 EXISTS\r\n"
    assert await asyncio.to_thread(client.readline) == b"* 1 RECENT\r\n"

    host.children["imap"].send_signal(signal.SIGHUP)
    for _ in range(WORKERS["imap"]):
        assert b"read again" in await host.line("imap")
    assert await host.stop("imap") == 0
    assert (await asyncio.to_thread(client.readline)).startswith(b"* BYE")


async def test_without_the_auth_agent_logins_wait(host: Host) -> None:
    await host.stop("auth")

    def work() -> None:
        with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"):
            host.client().login("ada@a.example", "secret")

    await asyncio.to_thread(work)
    line = await host.line("imap")
    assert b"LOGIN failed: client=127.0.0.1" in line
    assert f"{host.folder}/auth.sock".encode() in line
    assert b"secret" not in line


@pytest.mark.damages("database damaged")
async def test_a_damaged_mailbox_is_told_to_the_operator(host: Host) -> None:
    (host.folder / "accounts/ada").mkdir()
    (host.folder / "accounts/ada/account.db").write_bytes(b"this is no database" * 100)

    def work() -> None:
        with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"):
            host.client().login("ada@a.example", "secret")

    await asyncio.to_thread(work)
    assert b"LOGIN failed: client=127.0.0.1 account ada: mailbox database: " in await host.line("imap")


def test_check_config(tmp_path: Path) -> None:
    make_certificate(tmp_path / "tls/localhost")
    good = ImapConfig(host_name="mail.a.example", tls_directory=str(tmp_path / "tls"))
    ImapAgent.check(good)
    with pytest.raises(ConfigError, match="fullchain"):
        ImapAgent.check(ImapConfig(host_name="mail.a.example", tls_directory=str(tmp_path)))
    with pytest.raises(ConfigError, match="trusted_clients"):
        ImapAgent.check(
            ImapConfig(host_name="h.example", tls_directory=str(tmp_path / "tls"), trusted_clients=["x"])
        )


async def logged_in(host: Host) -> tuple[imaplib.IMAP4_SSL, bytes]:
    """Return a client with INBOX selected, and the name and number of its worker."""

    def work() -> imaplib.IMAP4_SSL:
        client = host.client()
        client.login("ada@a.example", "secret")
        client.select("INBOX")
        return client

    client = await asyncio.to_thread(work)
    return client, (await host.line("imap")).partition(b":")[0]


async def one_in_each_worker(host: Host) -> tuple[imaplib.IMAP4_SSL, imaplib.IMAP4_SSL]:
    first, worker = await logged_in(host)
    for _ in range(30):
        other, its_worker = await logged_in(host)
        if its_worker != worker:
            return first, other
        other.logout()
    raise AssertionError("all connections came to one worker")


async def test_who_waits_in_one_worker_hears_what_is_done_in_the_other(host: Host) -> None:
    watching, acting = await one_in_each_worker(host)

    def idle() -> None:
        watching.send(b"idle1 IDLE\r\n")
        assert watching.readline().startswith(b"+ ")

    await asyncio.to_thread(idle)
    store = open_store(f"{host.folder}/accounts", News(f"{host.folder}/notice"), SystemClock())
    mail = Delivery("ada", "q1", "ada@a.example", b"", b"Subject: x\r\n\r\n", 1)
    assert await store.deliver([mail]) == (None,)
    await store.close()

    def heard() -> None:
        assert watching.readline() == b"* 1 EXISTS\r\n"
        assert watching.readline() == b"* 1 RECENT\r\n"
        acting.noop()
        acting.store("1", "+FLAGS", r"(\Flagged)")
        assert rb"\Flagged" in watching.readline()
        acting.store("1", "+FLAGS", r"(\Deleted)")
        assert rb"\Deleted" in watching.readline()
        acting.expunge()
        assert watching.readline() == b"* 1 EXPUNGE\r\n"

    await asyncio.wait_for(asyncio.to_thread(heard), 60)


async def test_an_account_has_its_cap_once_and_not_in_every_worker(host: Host) -> None:
    settings = host.folder / "imap.toml"
    settings.write_text(f"max_connections_per_account = 4\n{settings.read_text()}")
    host.children["imap"].send_signal(signal.SIGHUP)
    for _ in range(WORKERS["imap"]):
        assert b"read again" in await host.line("imap")
    first, second = await one_in_each_worker(host)

    def work() -> None:
        third, fourth = host.client(), host.client()
        third.login("ada@a.example", "secret")
        fourth.login("ada@a.example", "secret")
        for _ in range(8):
            with pytest.raises(imaplib.IMAP4.error, match="Too many connections"):
                host.client().login("ada@a.example", "secret")
        for client in (first, second, third, fourth):
            client.logout()

    await asyncio.to_thread(work)
    await asyncio.wait_for(asyncio.to_thread(admitted, host), 60)


def admitted(host: Host) -> None:
    while True:
        with contextlib.suppress(imaplib.IMAP4.error):
            client = host.client()
            client.login("ada@a.example", "secret")
            return
