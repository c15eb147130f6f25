"""Whose turn it is: long answers are made in slices, between which the other sessions of the process are served."""

import asyncio
from typing import Final

from postroom.contracts.clock import Clock

SECONDS: Final = 0.005  # that one session works before it lets others work


class Turn:
    """One session's use of the event loop."""

    __slots__ = ("_clock", "_until")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = 0.0

    def begin(self) -> None:
        """A command begins."""
        self._until = self._clock.steady() + SECONDS

    async def give(self) -> None:
        """Let others work now."""
        await asyncio.sleep(0)
        self.begin()

    @property
    def over(self) -> bool:
        """Whether it has been long enough: cheap, to be asked in loops."""
        return self._clock.steady() > self._until
