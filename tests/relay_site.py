"""A host with the real relay and the real mda as processes, a directory, spools, and servers to deliver to."""

import asyncio
import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NoReturn

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from postroom.contracts.queue import Hop, Origin, QueuedMessage, QueuedRecipient
from postroom.contracts.queueadmin import Selection
from postroom.directory.apply import apply
from postroom.directory.reading import read_document
from postroom.mail.ids import queue_id
from postroom.queue.sqlite import admin
from postroom.queue.sqlite.lifecycle import Spool
from postroom.runtime.clock import SystemClock

from . import sound_accounts
from .killing import kill_with_workers

HOST = "mail.alpha.example"
BIN = Path(sys.executable).parent
BODY = b"This is a line of an ordinary message, as people write them every day.\r\n"
CLOCK = SystemClock()


class SpoolFailed(Exception):
    """The spool asked for the end of the process."""


def fail(text: str) -> NoReturn:
    """What a process would end with."""
    raise SpoolFailed(text)


def new_id() -> str:
    """A queue id."""
    return queue_id(int(time.time() * 1000), secrets.token_bytes(10))


def message(
    *recipients: QueuedRecipient, sender: str = "ada@alpha.example", size: int = 0, **facts: Any
) -> QueuedMessage:
    """An envelope with the facts that most messages have."""
    given = {"id": new_id(), "arrived": time.time(), "origin": Origin.SUBMITTED, **facts}
    return QueuedMessage(sender=sender, recipients=recipients, size=size, **given)


def mailbox(number: int) -> QueuedRecipient:
    """A recipient with a mailbox on the host."""
    return QueuedRecipient(f"u{number}@alpha.example", Hop.MAILBOX, HOST, account=f"id-{number}")


def world(address: str) -> QueuedRecipient:
    """A recipient elsewhere."""
    return QueuedRecipient(address, Hop.WORLD, address.partition("@")[2])


async def put(spool: Spool, envelope: QueuedMessage, head: bytes, body: bytes) -> str:
    """Accept a message; its queue id."""
    draft = spool.draft()
    draft.write(head + body)
    await spool.accept(envelope, head, draft, len(head))
    return envelope.id


class Site:
    """One host under a folder (with a short path, since sockets have short ones)."""

    def __init__(self, folder: Path, people: int = 10, selectors: tuple[str, ...] = (), **relay: Any) -> None:
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("run", "spool", "spool/relay", "accounts", "notice", "flags", "dkim"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        document: dict[str, Any] = {
            "version": 1,
            "domains": [
                {"name": "alpha.example", "home": HOST, "selectors": selectors},
                {"name": HOST, "home": HOST},
            ],
            "accounts": [
                {"id": f"id-{number}", "address": f"u{number}@alpha.example"} for number in range(people)
            ],
            "aliases": [
                {"address": f"postmaster@{HOST}", "members": ["u0@alpha.example"]},
                {"address": "ada@alpha.example", "members": ["u1@alpha.example"]},
            ],
        }
        apply(folder / "directory.db", read_document(json.dumps(document).encode()))
        shared = {
            "host_name": HOST,
            "run_directory": f"{folder}/run",
            "directory_path": f"{folder}/directory.db",
            "drain_seconds": 10.0,
        }
        self._write(
            "mda", **shared, accounts_directory=f"{folder}/accounts", spool_directory=f"{folder}/spool/mda",
            notice_directory=f"{folder}/notice", over_quota_directory=f"{folder}/flags",
            listen={"lmtp": [f"unix:{folder}/run/lmtp.sock"]},
        )  # fmt: skip
        self._write(
            "relay", **shared, spool_directories=[f"{folder}/spool/mta", f"{folder}/spool/msa"],
            report_spool_directory=f"{folder}/spool/relay", lmtp_socket=f"{folder}/run/lmtp.sock",
            dkim_directory=f"{folder}/dkim", **relay,
        )  # fmt: skip

    def _write(self, agent: str, **settings: Any) -> None:
        lines = [f"{name} = {_toml(value)}" for name, value in settings.items()]
        (self.folder / f"{agent}.toml").write_text("\n".join(lines) + "\n")

    def spool(self, agent: str = "mta") -> Spool:
        """An open spool for writing."""
        spool = Spool(f"{self.folder}/spool/{agent}", 1, CLOCK, fail, run_directory=f"{self.folder}/run")
        spool.open()
        return spool

    def start(self, agent: str) -> None:
        """Start the mda or the relay."""
        log = (self.folder / f"{agent}.log").open("ab")
        environment = {key: value for key, value in os.environ.items() if key != "JOURNAL_STREAM"}
        command = [BIN / f"postroom-{agent}", "--config", self.folder / f"{agent}.toml"]
        self.running[agent] = subprocess.Popen(command, stderr=log, stdout=log, env=environment)
        log.close()

    def kill(self, agent: str, number: int = signal.SIGKILL) -> int:
        """Send a signal that ends it and wait for the end; the exit status."""
        process = self.running.pop(agent)
        if number == signal.SIGKILL:
            kill_with_workers(process)
        else:
            process.send_signal(number)
        return process.wait(30)

    def stop(self) -> None:
        """End everything, and verify all accounts."""
        for agent in list(self.running):
            self.kill(agent, signal.SIGTERM)
        sound_accounts.check(self.folder)

    def log(self, agent: str) -> str:
        """What an agent has said."""
        path = self.folder / f"{agent}.log"
        return path.read_text() if path.exists() else ""

    def queued(self) -> int:
        """Recipients in all spools."""
        found = admin.entries(admin.spool_files(f"{self.folder}/spool"), Selection())
        return sum(len(entry.recipients) for entry in found)

    def delivered(self) -> tuple[int, list[str]]:
        """Messages in all mailboxes, and the queue ids with which they came: one each, if none came twice."""
        messages, identities = 0, []
        for path in self.folder.glob("accounts/**/account.db"):
            with closing(sqlite3.connect(path, timeout=20)) as database:
                if not database.execute("PRAGMA user_version").fetchone()[0]:
                    continue  # only being made
                messages += database.execute("SELECT count(*) FROM messages").fetchone()[0]
                identities += [row[0] for row in database.execute("SELECT queue_id FROM deliveries")]
        return messages, identities

    def contents(self) -> list[bytes]:
        """Every message file of every account."""
        return [path.read_bytes() for path in self.folder.glob("accounts/**/*") if _is_message(path)]

    async def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Wait for something to become true."""
        deadline = time.monotonic() + seconds
        while not condition():
            for agent, process in self.running.items():
                assert process.poll() is None, f"{agent} ended:\n{self.log(agent)}"
            if time.monotonic() > deadline:
                raise AssertionError(
                    "it did not happen:\n" + self.log("relay")[-4000:] + self.log("mda")[-2000:]
                )
            await asyncio.sleep(0.02)


class Dns(asyncio.DatagramProtocol):
    """A name server that answers from a dictionary of (name, type) to records in presentation form."""

    def __init__(self, zone: dict[tuple[str, str], list[str]]) -> None:
        self.zone = zone
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = (
            question.name.to_text(omit_final_dot=True).lower(),
            dns.rdatatype.to_text(question.rdtype),
        )
        reply = dns.message.make_response(query, recursion_available=True)
        if (name, kind) in self.zone:
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *self.zone[name, kind]))
        elif not any(known == name for known, _ in self.zone):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        assert self.transport is not None
        self.transport.sendto(reply.to_wire(), addr)


class Exchange:
    """Another company's mail server: takes everything but what its rules refuse."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.commands: list[bytes] = []  # all lines but those of messages
        self.connections = 0
        self.port = 0
        self.release = asyncio.Event()  # the end of DATA is answered only when it is set
        self.release.set()
        self.eight_bits = True  # offers 8BITMIME
        self.later = b"<later@"  # whoever has this in his address is put off
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=1 << 22)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(b"220 mx.beta.example\r\n")
        try:
            with suppress(asyncio.CancelledError):  # the test is over
                while line := await reader.readline():
                    await self._answer(line, reader, writer)
        finally:
            writer.close()

    async def _answer(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.commands.append(line.removesuffix(b"\r\n"))
        if line.startswith(b"EHLO"):
            last = b"8BITMIME" if self.eight_bits else b"HELP"
            writer.write(b"250-mx.beta.example\r\n250-PIPELINING\r\n250 %s\r\n" % last)
        elif line.startswith(b"DATA"):
            writer.write(b"354 go\r\n")
            text = await reader.readline()
            if text == b".\r\n":  # nobody was left to send it to
                writer.write(b"554 5.5.1 no valid recipients\r\n")
                return
            text += await reader.readuntil(b"\r\n.\r\n")
            await self.release.wait()
            self.taken.append(text[:-3].replace(b"\r\n..", b"\r\n."))
            writer.write(b"250 2.0.0 taken\r\n")
        elif b"<no@" in line:
            writer.write(b"550 5.1.1 no such user\r\n")
        elif self.later in line:
            writer.write(b"451 4.7.1 come back\r\n")
        else:
            writer.write(b"250 2.0.0 ok\r\n")


def _is_message(path: Path) -> bool:
    return path.is_file() and "account.db" not in path.name


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {_toml(item)}' for key, item in value.items()) + "}"
    return json.dumps(value)
