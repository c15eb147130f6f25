"""The system's clock behind contracts.clock.Clock."""

import time


class SystemClock:
    """The system's time."""

    def now(self) -> float:
        """Return the seconds since 1970."""
        return time.time()

    def steady(self) -> float:
        """Return seconds from a clock that never runs backwards."""
        return time.monotonic()
