"""What every queue must do is run on every engine that we have: a factory per engine makes its four sides."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest
from postroom.contracts.outbox import NOTHING_WANTED, Claim, Outbox, Outcome, Partition, Wanted
from postroom.contracts.queue import Intake
from postroom.contracts.queueadmin import QueueAdmin
from postroom.queue.outbox import open_outbox
from postroom.queue.sqlite.admin import SqliteQueueAdmin
from postroom.queue.sqlite.lifecycle import Spool
from postroom.runtime.log import Log

from ...relay_site import fail
from .memory_queue import MemoryIntake, MemoryOutbox, MemoryQueue, MemoryQueueAdmin

ALL = Wanted(1000)


class SetClock:
    """Wall time that a test sets, a little after all messages that it makes; steady time runs."""

    def __init__(self) -> None:
        self.time = time.time() + 120

    def now(self) -> float:
        return self.time

    def steady(self) -> float:
        return time.monotonic()


class Engine(Protocol):
    """One queue, from each of its sides."""

    clock: SetClock

    def intake(self) -> Intake: ...

    def outbox(self, name: str) -> Outbox: ...

    def admin(self) -> QueueAdmin: ...


class SqliteEngine:
    """Spool files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.clock = SetClock()
        self._folder = folder
        (folder / "relay").mkdir()

    def intake(self) -> Intake:
        folder = self._folder
        spool = Spool(str(folder / "mta"), 1, self.clock, fail, run_directory=str(folder))
        spool.open()
        return spool

    def outbox(self, name: str) -> Outbox:
        folder = self._folder
        folders = [str(folder / "mta")], str(folder / "relay"), str(folder)
        return open_outbox(*folders, name, 36_000.0, clock=self.clock, log=Log("relay"))

    def admin(self) -> QueueAdmin:
        return SqliteQueueAdmin(str(self._folder), str(self._folder), self.clock.now, self.clock.steady)


class MemoryEngine:
    """Everything in this process."""

    def __init__(self, _: Path) -> None:
        self.clock = SetClock()
        self._queue = MemoryQueue(self.clock)

    def intake(self) -> Intake:
        return MemoryIntake(self._queue)

    def outbox(self, name: str) -> Outbox:
        return MemoryOutbox(self._queue)

    def admin(self) -> QueueAdmin:
        return MemoryQueueAdmin(self._queue)


ENGINES: dict[str, Callable[[Path], Engine]] = {"sqlite": SqliteEngine, "memory": MemoryEngine}


class Relay:
    """A relay that does nothing by itself: it watches, and claims when a test says so."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.partitions: dict[str, Partition] = {}
        self.heard = asyncio.Event()

    async def start(self) -> "Relay":
        await self.outbox.watch(self._on_news)
        return self

    def _on_news(self, partition: Partition) -> None:
        self.partitions[partition.name] = partition
        self.heard.set()

    async def claim(self, wanted: Wanted = ALL) -> list[Claim]:
        return [claim for one in self.partitions.values() for claim in (await one.claim(wanted)).claims]

    async def next_due(self) -> float | None:
        found = [(await one.claim(NOTHING_WANTED)).next_due for one in self.partitions.values()]
        return min((due for due in found if due is not None), default=None)

    async def settle(self, claim: Claim, due: float | None, **facts: object) -> None:
        """Settle every recipient alike, and have it written down."""
        outcomes = [Outcome(one.number, due, **facts) for one in claim.recipients]  # type: ignore[arg-type]
        self.outbox.settle(claim, outcomes)
        assert await self.claim(NOTHING_WANTED) == []


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    return ENGINES[request.param](tmp_path)


@pytest.fixture
async def intake(engine: Engine) -> AsyncIterator[Intake]:
    opened = engine.intake()
    yield opened
    await opened.close()


@pytest.fixture
async def relays(engine: Engine, intake: Intake) -> AsyncIterator[list[Relay]]:
    """Two relays on the same queue."""
    async with AsyncExitStack() as stack:
        found = []
        for name in ("relay-1", "relay-2"):
            relay = await Relay(engine.outbox(name)).start()
            stack.push_async_callback(relay.outbox.close)
            found.append(relay)
        yield found


@pytest.fixture
def relay(relays: list[Relay]) -> Relay:
    return relays[0]


@pytest.fixture
def admin(engine: Engine, intake: Intake) -> QueueAdmin:
    return engine.admin()
