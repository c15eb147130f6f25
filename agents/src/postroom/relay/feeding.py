"""Feeds the dispatcher with claims: a task per partition of the queue, which claims whatever there is room for."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from postroom.contracts.clock import Clock
from postroom.contracts.errors import MailError
from postroom.contracts.outbox import NOTHING_WANTED, Claim, Outbox, Partition, Wanted
from postroom.runtime.log import Log
from postroom.runtime.service import where

LOOK: Final = 5.0  # seconds after which a partition is checked even without news
PAUSE: Final = 0.005  # seconds between two claims while much is under way: larger batches cost less
TROUBLE: Final = 1.0  # seconds to wait after an error


class _Feed:
    """One partition and the task that works on it."""

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.awake = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.complained = False


class Feeder:
    """Claims from all partitions. `submit` takes a claim or refuses it, `room` says what there is room for.

    `busy` says whether deliveries are under way.
    """

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        outbox: Outbox,
        clock: Clock,
        log: Log,
        submit: Callable[[Claim], bool],
        room: Callable[[], Wanted],
        busy: Callable[[], bool],
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._log = log
        self._submit = submit
        self._room = room
        self._busy = busy
        self._feeds: dict[str, _Feed] = {}
        self._paused = False
        self._stopping = False

    async def start(self) -> None:
        """Watch the queue and begin. Raises Unavailable."""
        await self._outbox.watch(self._on_news)

    def _on_news(self, partition: Partition) -> None:
        feed = self._feeds.get(partition.name)
        if feed is not None:
            feed.awake.set()
        elif not self._stopping:
            feed = self._feeds[partition.name] = _Feed(partition)
            feed.task = asyncio.ensure_future(self._run(feed))

    async def _run(self, feed: _Feed) -> None:
        while not self._stopping or feed.partition.unsettled:
            feed.awake.clear()
            began = self._clock.steady()
            try:
                pause = await self._claim(feed.partition)
                feed.complained = False
            except Exception as error:  # after a fault of ours, too, the partition must be worked on
                self._complain(feed, error)
                if self._stopping:
                    return
                pause = None
                await asyncio.sleep(TROUBLE)
            if pause and not self._stopping:
                with suppress(TimeoutError):
                    await asyncio.wait_for(feed.awake.wait(), pause)
            if not self._stopping and self._clock.steady() - began < PAUSE and self._busy():
                await asyncio.sleep(PAUSE)

    def _complain(self, feed: _Feed, error: Exception) -> None:
        if not feed.complained:
            feed.complained = True
            reason = str(error) if isinstance(error, MailError) else where(error)
            self._log.error(f"{feed.partition.name}: {reason}; trying again")

    async def _claim(self, partition: Partition) -> float | None:
        """Claim once; return the seconds to wait for news before the next claim, None for no wait."""
        wanted = NOTHING_WANTED if self._stopping or self._paused else self._room()
        now = self._clock.now()
        claims, next_due = await partition.claim(wanted)
        for claim in claims:
            if not self._submit(claim):
                self._outbox.release(claim)
        if partition.unsettled or (wanted.recipients and len(claims) >= wanted.recipients):
            return None
        if next_due is None:
            return LOOK
        return min(max(next_due - now, 0.001 if not claims and next_due > now else 1.0), LOOK)

    def wake(self) -> None:
        """Claim again soon: there is room for more."""
        for feed in self._feeds.values():
            feed.awake.set()

    def pause(self) -> None:
        """Claim nothing more."""
        self._paused = True

    async def stop(self) -> None:
        """Have every outcome written down, then end the tasks."""
        self._stopping = True
        self.wake()
        for feed in self._feeds.values():
            if feed.task is not None:
                await asyncio.wait([feed.task])
