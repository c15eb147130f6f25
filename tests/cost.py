"""What a piece of work costs: on a busy machine every run takes longer than that, and none takes less."""

import time
from collections.abc import Callable


def processor_seconds(work: Callable[[], object], limit: float = 0.0, tries: int = 20) -> float:
    """Processor time of the best of some runs in this thread; no more are made once one stays below the limit."""
    best = float("inf")
    for _ in range(tries if limit else 3):
        begun = time.thread_time()
        work()
        best = min(best, time.thread_time() - begun)
        if best < limit:
            break
    return best
