"""kill -9 of postroom-mda under load from many sessions: what was answered is there, nothing is there twice."""

import asyncio
import contextlib
import random
import runpy
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from postroom.runtime.clock import SystemClock
from postroom.store import NoNotices, open_store
from postroom.store.sqlite.verify import verify

from ..amounts import amount
from ..killing import kill_with_workers

pytestmark = [pytest.mark.soak, pytest.mark.timeout(36_000)]
KILLS = amount(5, 60)
ACCOUNTS = 20
SESSIONS = 8
BENCH = runpy.run_path(str(Path(__file__).parents[1] / "bench" / "lmtp_delivery.py"))


class Relay:
    """Sends until it has an answer for each message; each goes to three accounts."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.pending: list[int] = []
        self.next = 0
        self.answered = 0
        self.goal = 0
        self.reached = asyncio.Event()

    def take(self) -> int:
        if self.pending:
            return self.pending.pop()
        self.next += 1
        return self.next

    async def session(self, stop: asyncio.Event) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, FileNotFoundError):
            reader, writer = await asyncio.open_unix_connection(self.path)
            await reader.readuntil(b"\n")
            writer.write(b"LHLO soak\r\n")
            while (await reader.readuntil(b"\n"))[3:4] == b"-":
                pass
            while not stop.is_set():
                number = self.take()
                try:
                    await self.send(reader, writer, number)
                except BaseException:
                    self.pending.append(number)
                    raise
                self.answered += 1
                if self.answered >= self.goal:
                    self.reached.set()
            writer.close()

    async def send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        names = [f"u{(number + step) % ACCOUNTS}@bench.example" for step in (0, 3, 7)]
        recipients = "".join(f"RCPT TO:<{name}>\r\n" for name in names)
        writer.write(f"XFORWARD IDENT=id{number}\r\nMAIL FROM:<>\r\n{recipients}DATA\r\n".encode())
        content: bytes = BENCH["message"](random.Random(number).choice([500, 4000, 90_000]), number)
        for _ in range(6):
            assert (await reader.readuntil(b"\n"))[:1] in b"23"
        writer.write(content + b".\r\n")
        for _ in names:
            assert (await reader.readuntil(b"\n"))[:3] == b"250"


async def run(settings: Path, relay: Relay) -> None:
    for kill in range(KILLS + 1):
        server = BENCH["start"](settings)
        stop = asyncio.Event()
        relay.goal = relay.answered + 40 + random.Random(kill).randrange(150)
        relay.reached.clear()
        sessions = [asyncio.ensure_future(relay.session(stop)) for _ in range(SESSIONS)]
        await relay.reached.wait()
        if kill == KILLS:
            stop.set()
            await asyncio.gather(*sessions)
            while relay.pending:  # what the last kill left over
                await relay.session(_once(relay))
            server.send_signal(signal.SIGTERM)
        else:
            kill_with_workers(server)
            await asyncio.gather(*sessions)
        server.wait(30)
        (settings.parent / "mda.log").unlink()


def _once(relay: Relay) -> Any:
    class NoneLeft:
        def is_set(self) -> bool:
            return not relay.pending

    return NoneLeft()


async def delivered(folder: Path) -> dict[int, Counter[int]]:
    """Per account, how often each message is there."""
    store = open_store(str(folder / "accounts"), NoNotices(), SystemClock())
    found = {}
    for number in range(ACCOUNTS):
        account = await store.account(f"u{number}", f"u{number}")
        inbox = await account.select("INBOX", False)
        details = await account.details(inbox.mailbox.id, inbox.uids)
        found[number] = Counter(int((detail.envelope.subject or b"").split()[-1]) for detail in details)
    await store.close()
    return found


def test_kill_under_load(tmp_path: Path) -> None:
    settings = BENCH["prepare"](tmp_path, ACCOUNTS)
    relay = Relay(str(tmp_path / "lmtp"))
    asyncio.run(run(settings, relay))
    there = asyncio.run(delivered(tmp_path))
    assert relay.pending == []
    for account, counts in there.items():
        expected = {
            n for n in range(1, relay.next + 1) for step in (0, 3, 7) if (n + step) % ACCOUNTS == account
        }
        assert set(counts) == expected
        assert set(counts.values()) == {1}
        findings = list(verify(str(tmp_path / "accounts"), f"u{account}", False, lambda done, total: None))
        assert findings == []
