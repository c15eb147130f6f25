"""Time as an argument."""

from typing import Protocol


class Clock(Protocol):
    """Wall-clock time for records, steady time for timeouts."""

    def now(self) -> float:
        """Return the seconds since 1970."""

    def steady(self) -> float:
        """Return seconds that never run backwards."""
