"""Time as an argument."""

from typing import Protocol


class Clock(Protocol):
    """Wall time for what is written down, steady time for what is waited for."""

    def now(self) -> float:
        """Seconds since 1970."""

    def steady(self) -> float:
        """Seconds that never run backwards."""
