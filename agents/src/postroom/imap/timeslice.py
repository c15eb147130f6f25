"""Time slices: a long answer is made in short steps, and between them the process serves its other sessions."""

import asyncio
from typing import Final

from postroom.contracts.clock import Clock

SECONDS: Final = 0.005  # for which one session works before others have their turn


class TimeSlice:
    """One session's share of the event loop."""

    __slots__ = ("_clock", "_until")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = 0.0

    def begin(self) -> None:
        """Begin a slice."""
        self._until = self._clock.steady() + SECONDS

    async def give_way(self) -> None:
        """Let other sessions run, then begin a new slice."""
        await asyncio.sleep(0)
        self.begin()

    @property
    def over(self) -> bool:
        """Whether the slice is used up. Cheap enough to ask in loops."""
        return self._clock.steady() > self._until
