"""Fair order of deliveries: a lane per destination, served in turn, and none gets more than its share."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from postroom.contracts.outbox import Claim
from postroom.contracts.queue import Hop
from postroom.couriers.parcel import Result

MOST_HELD: Final = 4000  # recipients claimed at the same time, by all lanes
LOCAL_WINDOW: Final = 512  # recipients claimed for the mda
SLOW_START: Final = 2  # deliveries at the same time to a destination that has not answered yet


@dataclass(slots=True)
class Lane:
    """One destination. `share`: deliveries at the same time, growing while they succeed."""

    hop: Hop
    destination: str
    backlog: deque[Claim] = field(default_factory=deque)
    held: int = 0  # recipients claimed and not settled
    running: int = 0
    share: int = SLOW_START
    queued: bool = False  # is waiting for its turn
    full: bool = False  # no more is claimed until half of what it holds is done
    unreachable_until: float = 0.0  # steady seconds
    reason: Result | None = None  # why it is unreachable


class Dispatcher:
    """Starts deliveries over SMTP. `deliver` handles all its errors; `freed` is called when there is room again."""

    def __init__(
        self,
        deliver: Callable[[Lane, Claim], Awaitable[None]],
        freed: Callable[[], None],
        total: int,
        per_destination: int,
    ) -> None:
        self._deliver = deliver
        self._freed = freed
        self.total = total
        self.per_destination = per_destination
        self._lanes: dict[tuple[Hop, str], Lane] = {}
        self._turns: deque[Lane] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    @property
    def held(self) -> int:
        """Return how many recipients are claimed and not settled."""
        return sum(lane.held for lane in self._lanes.values())

    def window(self) -> int:
        """Return how many recipients one destination may hold."""
        return max(50, 4 * self.per_destination)

    def full(self) -> list[str]:
        """Return the destinations that hold as much as they may."""
        return [lane.destination for lane in self._lanes.values() if lane.full]

    def submit(self, claim: Claim) -> bool:
        """Take a claim; return False when its lane holds enough, so that it has to be released."""
        key = (claim.hop, claim.destination)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(
                claim.hop, claim.destination, share=min(SLOW_START, self.per_destination)
            )
        lane.full = lane.held >= self.window()
        if self._stopped or lane.full:
            return False
        lane.held += len(claim.recipients)
        lane.backlog.append(claim)
        self._queue(lane)
        self._start()
        return True

    def _queue(self, lane: Lane) -> None:
        if lane.backlog and lane.running < lane.share and not lane.queued:
            lane.queued = True
            self._turns.append(lane)

    def _start(self) -> None:
        while self._turns and len(self._tasks) < self.total and not self._stopped:
            lane = self._turns.popleft()
            lane.queued = False
            if not lane.backlog:
                continue
            task = asyncio.ensure_future(self._run(lane, lane.backlog.popleft()))
            lane.running += 1
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(lambda _: self._start())
            self._queue(lane)

    async def _run(self, lane: Lane, claim: Claim) -> None:
        try:
            await self._deliver(lane, claim)
        finally:
            lane.running -= 1
            lane.held -= len(claim.recipients)
            lane.full = lane.full and lane.held > self.window() // 2
            self._queue(lane)
            if not lane.held and not lane.unreachable_until:
                self._lanes.pop((lane.hop, lane.destination), None)
            self._freed()

    def succeeded(self, lane: Lane) -> None:
        """Give a destination that takes mail a larger share, up to its limit."""
        lane.unreachable_until = 0.0
        lane.share = min(lane.share + 1, self.per_destination)

    def unreachable(self, lane: Lane, until: float, reason: Result) -> list[Claim]:
        """Close the lane of a destination whose servers cannot be reached; return its waiting claims, to be put off."""
        lane.unreachable_until = until
        lane.reason = reason
        lane.share = 1
        waiting = list(lane.backlog)
        lane.backlog.clear()
        lane.held -= sum(len(claim.recipients) for claim in waiting)
        lane.full = False
        return waiting

    def forget_old(self, steady: float) -> None:
        """Drop idle lanes whose pause is over."""
        for key, lane in list(self._lanes.items()):
            if not lane.held and lane.unreachable_until <= steady:
                del self._lanes[key]

    async def stop(self) -> list[Claim]:
        """Begin nothing more and finish what runs; return the claims that were not begun."""
        self._stopped = True
        waiting = [claim for lane in self._lanes.values() for claim in lane.backlog]
        for lane in self._lanes.values():
            lane.backlog.clear()
        self._turns.clear()
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        return waiting
