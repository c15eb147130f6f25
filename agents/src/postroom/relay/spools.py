"""All spools of the host, each worked off by a task and a thread of its own."""

import asyncio
import os
import secrets
import socket
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from postroom.contracts.clock import Clock
from postroom.queue.sqlite.notices import bind_notices
from postroom.queue.sqlite.owners import OwnerFile, Owners, dead_owners, forget_owner
from postroom.queue.sqlite.reader import Postponement, SpoolReader, Wanted
from postroom.queue.sqlite.reserve import Reserve, reserves
from postroom.queue.sqlite.rows import Claim, Outcome, StoredContent
from postroom.queue.sqlite.schema import NotYet
from postroom.runtime.log import Log
from postroom.runtime.service import where

LEASE: Final = 60.0  # seconds; renewed while the relay lives
RENEW: Final = 15.0
LOOK: Final = 5.0  # seconds after which a spool is looked at without a notice, and new spools are looked for
PAUSE: Final = 0.005  # seconds between two turns while much is under way: larger batches cost less
TROUBLE: Final = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are. `owner_directory` is the relay's own; `name` tells this process from its siblings."""

    directories: Sequence[str]
    owner_directory: str
    run_directory: str
    name: str
    longest_pause: float  # no row of ours waits longer


class _Tender:
    """One spool: outcomes go in, claims come out."""

    def __init__(self, reader: SpoolReader) -> None:
        self.reader = reader
        self.outcomes: list[Outcome] = []
        self.awake = asyncio.Event()
        self.thread = ThreadPoolExecutor(1, "spool")
        self.task: asyncio.Task[None] | None = None
        self.complained = False

    async def call(self, what: Callable[[], T]) -> T:
        """Run one of the reader's methods in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, what)


class Spools:
    """Claims from all spools and settles to them. `submit` takes a claim or refuses it, `room` says how many."""

    def __init__(
        self,
        places: Places,
        clock: Clock,
        log: Log,
        submit: Callable[[Claim], bool],
        room: Callable[[], Wanted],
    ) -> None:
        self._places = places
        self._clock = clock
        self._log = log
        self._submit = submit
        self._room = room
        self._owners = Owners(places.owner_directory, steady=clock.steady)
        self._owner = f"{places.name}-{os.getpid()}-{secrets.token_hex(8)}"
        self._tenders: dict[str, _Tender] = {}
        self._unusable: set[str] = set()
        self._reserves: dict[str, Reserve] = {}
        self._stopping = False
        self._paused = False
        self._helpers: list[asyncio.Task[None]] = []
        self._heard: socket.socket | None = None

    async def start(self) -> None:
        """Open what is there and begin. Raises OSError: the relay's own directory is unusable."""
        self._own = OwnerFile(self._places.owner_directory, self._owner)
        await self._look_for_spools()
        await self._recover()
        try:
            self._heard = bind_notices(self._places.run_directory, self._places.name)
            asyncio.get_running_loop().add_reader(self._heard.fileno(), self._on_notice)
        except OSError as error:
            self._log.warning(f"{self._places.run_directory}: {error.strerror}: looking every {LOOK:.0f} s")
        self._helpers = [
            asyncio.ensure_future(self._keep_looking()),
            asyncio.ensure_future(self._keep_leases()),
        ]

    def _on_notice(self) -> None:
        assert self._heard is not None
        names = set()
        with suppress(BlockingIOError):
            while True:
                names.add(self._heard.recv(256).decode("ascii", "replace"))
        for path, tender in self._tenders.items():
            if os.path.basename(path).removesuffix(".db") in names:
                tender.awake.set()
                names.discard(os.path.basename(path).removesuffix(".db"))
        if names:
            self._helpers.append(asyncio.ensure_future(self._look_for_spools()))

    async def _look_for_spools(self) -> None:
        for directory in self._places.directories:
            try:
                names = os.listdir(directory)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._complain_once(directory, error)
                continue
            for name in sorted(names):
                if name.endswith(".db") and not self._stopping:
                    self._open(f"{directory}/{name}")
        self._helpers = [task for task in self._helpers if not task.done()]

    def _open(self, path: str) -> None:
        if path in self._tenders:
            return
        try:
            tender = _Tender(SpoolReader(path, self._owner, self._owners, self._reserve_for(path)))
        except NotYet:
            return
        except (sqlite3.Error, OSError) as error:
            self._complain_once(path, error)
            return
        self._unusable.discard(path)
        self._tenders[path] = tender
        tender.task = asyncio.ensure_future(self._tend(tender))

    def _reserve_for(self, path: str) -> Reserve | None:
        directory = os.path.dirname(path)
        if directory not in self._reserves:  # intake makes its folder when it starts
            places = self._places
            self._reserves = reserves((places.owner_directory, *places.directories))
        return self._reserves.get(directory)

    def _complain_once(self, path: str, error: Exception) -> None:
        if path not in self._unusable:
            self._unusable.add(path)
            self._log.error(f"spool {path} cannot be read: {error}")

    async def _tend(self, tender: _Tender) -> None:
        while not (self._stopping and not tender.outcomes):
            tender.awake.clear()
            began = self._clock.steady()
            try:
                pause = await self._turn(tender)
                tender.complained = False
            except Exception as error:  # with a fault of ours, too, the spool must not be forgotten
                if not tender.complained:
                    tender.complained = True
                    known = isinstance(error, (sqlite3.Error, OSError))
                    self._log.error(
                        f"spool {tender.reader.path}: {error if known else where(error)}; trying again"
                    )
                pause = None
                if self._stopping:
                    return
                await asyncio.sleep(TROUBLE)
            if pause:
                with suppress(TimeoutError):
                    await asyncio.wait_for(tender.awake.wait(), pause)
            if not self._stopping and self._clock.steady() - began < PAUSE and self._busy():
                await asyncio.sleep(PAUSE)

    def _busy(self) -> bool:
        return self._room().held > 0

    async def _turn(self, tender: _Tender) -> float | None:
        """One transaction; how long to wait for the next one unless something happens."""
        outcomes, tender.outcomes = tender.outcomes, []
        wanted = self._room()
        if self._stopping or self._paused:
            wanted = Wanted(0)
        now = self._clock.now()
        try:
            claims, next_due = await tender.call(partial(_work, tender.reader, outcomes, wanted, now))
        except BaseException:
            tender.outcomes = outcomes + tender.outcomes
            raise
        for claim in claims:
            if not self._submit(claim):
                tender.outcomes += _unclaimed(claim)
        if tender.outcomes or (wanted.rows and len(claims) >= wanted.rows):
            return None
        if next_due is None:
            return LOOK
        return min(max(next_due - now, 0.001 if not claims and next_due > now else 1.0), LOOK)

    def settle(self, claim: Claim, outcomes: Sequence[Outcome]) -> None:
        """Write down what became of a claim; on disk soon."""
        tender = self._tenders[claim.spool]
        tender.outcomes += outcomes
        tender.awake.set()

    async def load(self, claim: Claim) -> StoredContent:
        """The content of a claim that came without. Raises LookupError, sqlite3.Error."""
        tender = self._tenders[claim.spool]
        return await tender.call(partial(tender.reader.load, claim.facts.seq))

    def wake(self) -> None:
        """There is room for more."""
        for tender in self._tenders.values():
            tender.awake.set()

    def pause(self) -> None:
        """Claim nothing more."""
        self._paused = True

    async def postpone(self, what: Postponement) -> int:
        """Put off everything due for a destination; the number of rows."""
        count = 0
        for tender in list(self._tenders.values()):
            with suppress(sqlite3.Error):
                while moved := await tender.call(partial(tender.reader.postpone, what, self._clock.now())):
                    count += moved
        return count

    async def _keep_looking(self) -> None:
        while not self._stopping:
            await asyncio.sleep(LOOK)
            await self._look_for_spools()
            await self._recover()
            for reserve in set(self._reserves.values()):
                reserve.keep()
            latest = self._clock.now() + self._places.longest_pause
            for tender in list(self._tenders.values()):
                with suppress(sqlite3.Error, OSError):
                    await tender.call(partial(tender.reader.pull_in, latest, self._clock.now()))
                    await tender.call(partial(tender.reader.forget, self._clock.now()))
                    await tender.call(tender.reader.tidy)

    async def _keep_leases(self) -> None:
        while not self._stopping:
            await asyncio.sleep(RENEW)
            for tender in list(self._tenders.values()) if self._busy() else ():
                with suppress(sqlite3.Error, OSError):
                    await tender.call(partial(tender.reader.renew, self._clock.now() + LEASE))

    async def _recover(self) -> None:
        """Take back at once what a relay that died had claimed."""
        with suppress(OSError):
            for owner in dead_owners(self._places.owner_directory):
                number = 0
                try:
                    for tender in list(self._tenders.values()):
                        number += await tender.call(partial(tender.reader.release, owner, self._clock.now()))
                        tender.awake.set()
                except sqlite3.Error as error:
                    self._log.error(f"leases of a relay that ended: {error}")
                    continue
                forget_owner(self._places.owner_directory, owner)
                if number:
                    self._log.info(f"{number} recipients taken over from a relay that ended")

    async def stop(self) -> None:
        """Settle what is known, give all leases back, close."""
        self._stopping = True
        for helper in self._helpers:
            helper.cancel()
        if self._heard is not None:
            asyncio.get_running_loop().remove_reader(self._heard.fileno())
            path = self._heard.getsockname()
            self._heard.close()
            with suppress(OSError):
                os.unlink(path)
        self.wake()
        for tender in self._tenders.values():
            if tender.task is not None:
                await asyncio.wait([tender.task])
            with suppress(sqlite3.Error, OSError):
                await tender.call(partial(tender.reader.release, self._owner, self._clock.now()))
            tender.thread.shutdown()
            tender.reader.close()
        self._own.close()


def _work(
    reader: SpoolReader, outcomes: Sequence[Outcome], wanted: Wanted, now: float
) -> tuple[list[Claim], float | None]:
    claims = reader.turnover(outcomes, wanted, now, now + LEASE)
    return claims, None if len(claims) >= wanted.rows > 0 else reader.next_due()


def _unclaimed(claim: Claim) -> list[Outcome]:
    return [
        Outcome(
            claim.facts.seq, row.number, claim.claimed, row.host, row.status, row.reply, attempted=False,
            warned=row.warned,
        )
        for row in claim.rows
    ]  # fmt: skip
