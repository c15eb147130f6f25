"""One spool as a partition of the outbox: a thread of its own, and outcomes that wait for the next transaction."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from postroom.contracts.clock import Clock
from postroom.contracts.errors import StorageFull, Unavailable
from postroom.contracts.outbox import Claim, Claimed, Outcome, Wanted
from postroom.queue.sqlite.reader import SpoolReader
from postroom.queue.sqlite.reserve import no_room
from postroom.queue.sqlite.settling import Settlement

LEASE: Final = 60.0  # seconds; renewed while the relay lives

T = TypeVar("T")


class SpoolPartition:
    """Implements contracts.outbox.Partition."""

    def __init__(self, reader: SpoolReader, clock: Clock) -> None:
        self.reader = reader
        self.name = f"spool {reader.path}"
        self._clock = clock
        self._settlements: list[Settlement] = []
        self._leased = False  # whether a lease may be outstanding
        self._thread = ThreadPoolExecutor(1, "spool")

    @property
    def unsettled(self) -> bool:
        """Return whether outcomes wait for the next `claim`."""
        return bool(self._settlements)

    def settle(self, seq: int, outcomes: Sequence[Outcome]) -> None:
        """Note outcomes of recipients of a message; `claim` writes them down."""
        self._settlements += [(seq, outcome) for outcome in outcomes]

    async def call(self, what: Callable[[], T]) -> T:
        """Run one of the reader's methods in the spool's thread. Raises Unavailable for errors of disk and database."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, what)
        except (sqlite3.Error, OSError) as error:
            raise (StorageFull if no_room(error) else Unavailable)(str(error)) from error

    async def claim(self, wanted: Wanted) -> Claimed:
        """Settle what waits and claim what is wanted, in one transaction. Raises Unavailable."""
        settlements, self._settlements = self._settlements, []
        try:
            claimed = await self.call(partial(self._turnover, settlements, wanted, self._clock.now()))
        except BaseException:
            self._settlements = settlements + self._settlements
            raise
        self._leased = self._leased or bool(claimed.claims)
        return claimed

    def _turnover(self, settlements: Sequence[Settlement], wanted: Wanted, now: float) -> Claimed:
        claims: Sequence[Claim] = self.reader.turnover(settlements, wanted, now, now + LEASE)
        full = len(claims) >= wanted.recipients > 0  # the caller comes back at once
        return Claimed(claims, None if full else self.reader.next_due())

    async def renew(self) -> None:
        """Extend the leases, where there are any: an idle spool is not written to. Raises Unavailable."""
        if self._leased:
            self._leased = await self.call(partial(self.reader.renew, self._clock.now() + LEASE)) > 0

    async def release(self, owner: str) -> int:
        """Give back all leases of an owner; return their number. Raises Unavailable."""
        return await self.call(partial(self.reader.release, owner, self._clock.now()))

    async def tidy(self, longest_pause: float) -> None:
        """Do what has to be done now and then: clocks set back, remembered ids, the log. Raises Unavailable."""
        now = self._clock.now()
        await self.call(partial(self.reader.pull_in, now + longest_pause, now))
        await self.call(partial(self.reader.forget, now))
        await self.call(self.reader.tidy)

    def close(self) -> None:
        """End the thread and close the files."""
        self._thread.shutdown()
        self.reader.close()
