"""The system's clock behind contracts.clock.Clock."""

import time


class SystemClock:
    """Real time."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def steady(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()
