"""Many sessions in IDLE over one store, and how long each waits for news of a delivery by another process."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

from postroom.contracts.auth import Login, LoginAttempt
from postroom.contracts.directory import Account
from postroom.imap.config import ImapConfig
from postroom.imap.context import ImapContext
from postroom.imap.dispatch import CommandDispatcher
from postroom.imap.handlers import HANDLERS
from postroom.imap.session import ImapSession
from postroom.runtime.clock import SystemClock
from postroom.runtime.connections import Connection, ConnectionLimits, Listener
from postroom.runtime.log import Log
from postroom.store import News, open_store
from postroom.wire.sasl import parse_plain

# Delivers so many times to each account, and writes down when each delivery was on disk.
DELIVERER = """
import asyncio, json, sys, time
from postroom.contracts.store import Delivery
from postroom.runtime.clock import SystemClock
from postroom.store import News, open_store

async def main():
    folder, count, rounds, pause = sys.argv[1], *map(float, sys.argv[2:])
    store = open_store(folder + "/accounts", News(folder + "/notice"), SystemClock())
    names = [f"p{number}" for number in range(int(count))]
    for turn in range(int(rounds)):
        for name in names:
            await store.deliver([Delivery(name, f"q{turn}", name, b"", b"Subject: x\\r\\n\\r\\n", 1)])
            print(json.dumps([name, time.time()]), flush=True)
            await asyncio.sleep(pause)
    await store.close()

asyncio.run(main())
"""


class People:
    """Lets everybody in."""

    async def authenticate(self, attempt: LoginAttempt) -> Login:
        name = parse_plain(attempt.response).name
        return Login(name, name)

    async def account(self, account_id: str) -> Account:
        return Account(account_id, f"{account_id}@a.example")


class Idler(asyncio.Protocol):
    """One client; `heard` has the time of each EXISTS."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.heard: list[float] = []
        self.idling = asyncio.Event()
        self.news = asyncio.Event()
        self._octets = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(  # type: ignore[attr-defined]
            b"a LOGIN %b x\r\nb SELECT INBOX\r\nc IDLE\r\n" % self.account.encode()
        )

    def data_received(self, data: bytes) -> None:
        *lines, self._octets = (self._octets + data).split(b"\r\n")
        for line in lines:
            if line.startswith(b"+"):
                self.idling.set()
            elif line.endswith(b" EXISTS") and self.idling.is_set():
                self.heard.append(time.time())
                self.news.set()


class Crowd:
    """Sessions of so many accounts, all idling."""

    def __init__(self, folder: Path, accounts: int, sessions: int) -> None:
        self._folder = folder
        self.names = [f"p{number}" for number in range(accounts)]
        self.idlers = [Idler(self.names[number % accounts]) for number in range(sessions)]

    async def start(self) -> None:
        """Log in, select, idle."""
        for name in ("accounts", "notice"):
            (self._folder / name).mkdir()
        self._store = open_store(
            str(self._folder / "accounts"),
            News(str(self._folder / "notice")),
            SystemClock(),
            open_accounts=256,
        )
        log, people = Log("imap", "error"), People()
        config = ImapConfig(host_name="a.example", max_connections_per_account=10_000)
        context = ImapContext(config, SystemClock(), log, people, people, self._store)  # type: ignore[arg-type]

        async def serve(connection: Connection) -> None:
            connection.secured = True  # as if by TLS, whose cost is not measured here
            await CommandDispatcher(ImapSession(connection, context), HANDLERS).run()

        self._listener = Listener(log, serve, ConnectionLimits(100_000, 100_000))
        listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        listening.setblocking(False)
        await self._listener.start([listening])
        port = listening.getsockname()[1]
        loop = asyncio.get_running_loop()
        for start in range(0, len(self.idlers), 100):
            part = self.idlers[start : start + 100]
            await asyncio.gather(
                *(loop.create_connection(lambda one=one: one, "127.0.0.1", port) for one in part)  # type: ignore[misc]
            )
            async with asyncio.timeout(60):
                await asyncio.gather(*(one.idling.wait() for one in part))

    async def stop(self) -> None:
        """Send all away."""
        await self._listener.stop_accepting()
        await self._listener.wait_idle(0)
        await self._store.close()

    def deliver_at_once(self) -> None:
        """Have another process deliver to every account, while this one does not read its news."""
        self._deliverer(1, 0.0).communicate(timeout=100)

    async def deliver(self, rounds: int, pause: float) -> list[float]:
        """Have another process deliver to every account; return how long each session waited for each delivery."""
        process = self._deliverer(rounds, pause)
        said, _ = await asyncio.to_thread(process.communicate, timeout=600)
        sent: dict[str, list[float]] = {}
        for line in said.splitlines():
            name, when = json.loads(line)
            sent.setdefault(name, []).append(when)
        async with asyncio.timeout(100):
            for one in self.idlers:
                while not one.heard or one.heard[-1] < sent[one.account][-1] - 0.05:
                    one.news.clear()
                    await one.news.wait()
        # A session that hears late hears of several deliveries in one EXISTS.
        return [
            min(heard for heard in one.heard if heard >= when - 0.05) - when
            for one in self.idlers
            for when in sent[one.account]
        ]

    def _deliverer(self, rounds: int, pause: float) -> subprocess.Popen[str]:
        words = [str(self._folder), str(len(self.names)), str(rounds), str(pause)]
        return subprocess.Popen([sys.executable, "-c", DELIVERER, *words], stdout=subprocess.PIPE, text=True)
