"""The real processes: settings, signals, TLS on the loop they run on, an orderly end."""

import asyncio
import json
import os
import signal
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from postroom.directory.apply import apply
from postroom.directory.reading import read_document

from ...ports import free_port
from ...smtp_site import DOCUMENT, HOST, Dialog, make_certificate

MESSAGE = b"From: x@outside.example\r\nTo: ada@alpha.example\r\n\r\nHello\r\n"


def write_settings(folder: Path, agent: str, **more: Any) -> Path:
    if not (folder / "directory.db").exists():
        apply(folder / "directory.db", read_document(json.dumps(DOCUMENT).encode()))
        make_certificate(folder / "tls" / HOST)
    settings = {
        "host_name": HOST, "directory_path": str(folder / "directory.db"), "run_directory": str(folder),
        "spool_directory": str(folder / agent), "tls_directory": str(folder / "tls"), "drain_seconds": 5.0, "workers": 1, **more,
    }  # fmt: skip
    listen = settings.pop("listen", {})
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    lines += ["[listen]", *(f"{name} = {json.dumps(value)}" for name, value in listen.items())]
    path = folder / f"{agent}.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


@asynccontextmanager
async def process(agent: str, settings: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    code = f"from postroom.{agent}.app import main; main()"
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, "--config", str(settings), stderr=subprocess.PIPE, limit=1 << 20
    )
    try:
        await heard(running, "ready, version")
        yield running
    finally:
        if running.returncode is None:
            running.send_signal(signal.SIGTERM)
        await asyncio.wait_for(running.wait(), 20)


async def heard(running: asyncio.subprocess.Process, words: str) -> str:
    """The first log line from now on that has these words."""
    assert running.stderr is not None
    lines = []
    async with asyncio.timeout(60):
        while line := (await running.stderr.readline()).decode():
            lines.append(line)
            if words in line:
                return line
    raise AssertionError(f"ended without {words!r}: {lines}")


def client_tls(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "tls" / HOST / "fullchain.pem"))


async def connect(port: int, **options: Any) -> Dialog:
    return Dialog(*await asyncio.open_connection("127.0.0.1", port, **options))


async def greeted(port: int, **options: Any) -> Dialog:
    dialog = await connect(port, **options)
    assert (await dialog.reply()).startswith("220 ")
    await dialog.ask("EHLO client.example")
    return dialog


def count(folder: Path, agent: str) -> int:
    with closing(sqlite3.connect(folder / agent / f"{agent}-1.db")) as database:
        found: int = database.execute("SELECT COUNT(*) FROM message").fetchone()[0]
        return found


async def test_mta_takes_mail_reloads_and_drains(tmp_path: Path) -> None:
    port = free_port()
    listen = {"smtp": [f"127.0.0.1:{port}"]}
    settings = write_settings(tmp_path, "mta", listen=listen, verify_authentication=False)
    async with process("mta", settings) as running:
        client = await greeted(port)
        assert (await client.ask("STARTTLS")).startswith("220 ")
        await client.start_tls(client_tls(tmp_path))
        assert "SIZE 52428800" in await client.ask("EHLO client.example")
        reply = await client.send_message(
            "x@outside.example", ["ada@alpha.example"], MESSAGE + b"y" * 70 + b"\r\n" * 90_000
        )
        assert reply.startswith("250 2.0.0")
        assert reply.rpartition(" ")[2] in await heard(running, "message-id=")
        write_settings(tmp_path, "mta", listen=listen, verify_authentication=False, max_message_bytes=70_000)
        running.send_signal(signal.SIGHUP)
        await heard(running, "settings and certificates read again")
        assert "SIZE 70000" in await (await greeted(port)).ask("EHLO client.example")
        await client.ask("MAIL FROM:<x@outside.example>")
        await client.ask("RCPT TO:<ada@alpha.example>")
        running.send_signal(signal.SIGTERM)
        assert (await client.ask("DATA")).startswith("354 ")
        client.send(MESSAGE + b".\r\n")
        assert [one[:9] for one in await client.replies()] == ["250 2.0.0", "421 4.3.2"]
    assert running.returncode == 0
    assert count(tmp_path, "mta") == 2


async def test_two_workers_share_a_port(tmp_path: Path) -> None:
    port = free_port()
    settings = write_settings(
        tmp_path, "mta", listen={"smtp": [f"127.0.0.1:{port}"]}, verify_authentication=False, workers=2
    )
    async with process("mta", settings) as running:
        await heard(running, "ready, version")  # the second worker too
        used: set[str] = set()
        async with asyncio.timeout(60):
            while len(used) < 2:
                client = await greeted(port)
                reply = await client.send_message("x@b.example", ["ada@alpha.example"], MESSAGE)
                assert reply.startswith("250 2.0.0 ")
                client.close()
                used.add((await heard(running, "message-id=")).partition("]")[0])  # program and process


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGKILL])
async def test_a_client_has_its_cap_once_and_not_in_every_worker(tmp_path: Path, signal_: int) -> None:
    """And whatever a worker that is killed had counted does not count after the restart."""
    port = free_port()
    settings = write_settings(
        tmp_path, "mta", listen={"smtp": [f"127.0.0.1:{port}"]}, verify_authentication=False, workers=2,
        max_connections_per_client=5,
    )  # fmt: skip
    for _ in range(2):
        async with process("mta", settings) as running:
            await heard(running, "ready, version")  # the second worker too
            dialogs = [await connect(port) for _ in range(20)]
            greetings = [(await dialog.reply())[:4] for dialog in dialogs]
            assert greetings.count("220 ") in (5, 6)  # two workers may let in the last one at the same moment
            assert greetings.count("421 ") == 20 - greetings.count("220 ")
            children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
            os.kill(int(children[0]) if signal_ == signal.SIGKILL else running.pid, signal_)
            await asyncio.wait_for(running.wait(), 60)


async def test_msa_on_every_socket(tmp_path: Path) -> None:
    plain, tls = free_port(), free_port()
    listen = {
        "submission": [f"127.0.0.1:{plain}"],
        "submissions": [f"127.0.0.1:{tls}"],
        "local": [f"unix:{tmp_path}/submit.sock"],
    }
    settings = write_settings(
        tmp_path,
        "msa",
        listen=listen,
        counters_path=str(tmp_path / "msa/counters.db"),
        auth_socket=str(tmp_path / "no"),
    )
    async with process("msa", settings) as running:
        secured = await greeted(tls, ssl=client_tls(tmp_path), server_hostname=HOST)
        assert (await secured.ask("AUTH PLAIN AGFkYQB4")).startswith("454 4.7.0")
        upgraded = await greeted(plain)
        assert (await upgraded.ask("STARTTLS")).startswith("220 ")
        await upgraded.start_tls(client_tls(tmp_path))
        assert "AUTH PLAIN LOGIN" in await upgraded.ask("EHLO client.example")
        raw = await connect(tls)
        raw.send(b"EHLO plain text at the wrong port\r\n" * 20)
        await raw.reader.read()  # an alert, perhaps
        await heard(running, "TLS handshake failed: client=127.0.0.1")
        injected = await greeted(plain)
        injected.send(b"STARTTLS\r\nNOOP\r\n")
        assert [one[:3] for one in await injected.replies()] == ["501"]
        local = Dialog(*await asyncio.open_unix_connection(f"{tmp_path}/submit.sock"))
        await local.reply()
        await local.ask("EHLO x")
        assert (await local.send_message(f"root@{HOST}", [f"root@{HOST}"], MESSAGE)).startswith("250 ")
    assert running.returncode == 0
    assert count(tmp_path, "msa") == 1


@pytest.mark.parametrize("agent", ["mta", "msa"])
def test_check_config(tmp_path: Path, agent: str) -> None:
    def check() -> tuple[int, str]:
        code = f"from postroom.{agent}.app import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, "--check-config", "--config", str(tmp_path / f"{agent}.toml")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    write_settings(tmp_path, agent)
    assert check()[0] == 0
    for name, value in (
        ("trusted_clients", ["no net"]),
        ("srs_secrets_file", "/none"),
        ("tls_directory", "/none"),
    ):
        write_settings(tmp_path, agent, **{name: value})
        status, text = check()
        assert status == 78
        assert text.count("\n") == 1
        assert (value if isinstance(value, str) else name) in text


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
@pytest.mark.parametrize("agent", ["mta", "msa"])
async def test_a_spool_that_cannot_be_used_is_one_line(tmp_path: Path, agent: str, workers: int) -> None:
    settings = write_settings(tmp_path, agent, workers=workers)
    (tmp_path / agent).write_text("no folder")
    code = f"from postroom.{agent}.app import main; main()"
    command = [sys.executable, "-c", code, "--config", str(settings)]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 78
    (line,) = ended.stderr.splitlines()
    assert f": spool {tmp_path}/{agent}: [Errno 17] File exists: " in line
