"""Counts of connected clients or logged-in accounts over all workers of a service, without a lock.

Before it forks the workers, the parent maps memory that all of them share. Each worker has a part of it that only it
writes and all others read. A cell is two or four octets at an aligned address, which processors read and write
atomically (x86-64 as well as ARM), and no cell depends on another, so neither locks nor fences are needed. A reader may
see a count that is slightly out of date. A listener therefore enters first, then reads the counts, and
leaves again if they exceed the limit: workers that accept at the same moment may both refuse, but not both accept.

A worker keeps its own counts by name. For the others it reads a count-min sketch (Cormode and Muthukrishnan, 2005): a
name has one cell in each of four rows, and its count is the smallest of them. That is never too low. It is too high
only for a name that shares all four cells with others. A secret key selects the cells, so nobody can cause collisions
on purpose: with 2000 connections from as many addresses, one count in 5000 is one too high. The memory is the same for
any flood.

When a worker dies, all of them end (runtime.workers), and the shared memory is released.
"""

import hashlib
import mmap
import os
import struct
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

ROWS: Final = 4
WIDTH: Final = 16_384  # cells in a row
_TOTAL: Final = 4  # octets before the rows
_PART: Final = mmap.PAGESIZE + ROWS * WIDTH * 2  # octets of one worker for one kind
_MOST: Final = 65_535  # largest value of a cell; a process has fewer descriptors
_DRAWN: Final = struct.Struct("4H")
_KEY: Final = os.urandom(16)  # the workers inherit it from their parent


class SharedCounter:
    """A count by name, where names are clients or accounts. It covers one process unless `SharedCounters` made it."""

    def __init__(self, own: memoryview | None = None, others: Sequence[memoryview] = ()) -> None:
        self._here = 0
        self._names: Counter[str] = Counter()
        self._own = _Part(own) if own is not None else None
        self._others = [_Part(memory) for memory in others]

    @property
    def total(self) -> int:
        """Return the total over all workers."""
        return self._here + sum(part.total[0] for part in self._others)

    @property
    def local(self) -> int:
        """Return the total in this worker."""
        return self._here

    def count(self, name: str) -> int:
        """Return the count of this name over all workers."""
        here = self._names[name]
        if not self._others:
            return here
        cells = _cells(name)
        return here + min(sum(part.cells[cell] for part in self._others) for cell in cells)

    def enter(self, name: str) -> None:
        """Count one more of this name."""
        self._here += 1
        self._names[name] += 1
        self._show(name, 1)

    def leave(self, name: str) -> None:
        """Count one less of this name, which must have entered before."""
        self._here -= 1
        self._names[name] -= 1
        if not self._names[name]:
            del self._names[name]
        self._show(name, -1)

    def _show(self, name: str, change: int) -> None:
        if self._own is None:
            return
        self._own.total[0] = self._here
        for cell in _cells(name):
            self._own.cells[cell] = min(max(self._own.cells[cell] + change, 0), _MOST)


class SharedCounters:
    """Shared memory for counters of these kinds. Create it before the workers are forked."""

    def __init__(self, kinds: Sequence[str], workers: int) -> None:
        self._kinds = tuple(kinds)
        self._workers = workers
        size = len(self._kinds) * workers * _PART
        # Pages that have never been written use no memory.
        self._memory = memoryview(mmap.mmap(-1, size)) if size and workers > 1 else None

    def seen_by(self, worker: int, kind: str) -> SharedCounter:
        """Return the counter of a kind for the worker with this number, from 1."""
        if self._memory is None:
            return SharedCounter()
        parts = [self._part(self._memory, number, kind) for number in range(1, self._workers + 1)]
        return SharedCounter(parts[worker - 1], [part for n, part in enumerate(parts, 1) if n != worker])

    def _part(self, memory: memoryview, worker: int, kind: str) -> memoryview:
        begin = (self._kinds.index(kind) * self._workers + worker - 1) * _PART
        return memory[begin : begin + _PART]


class _Part:
    """One worker's cells."""

    def __init__(self, memory: memoryview) -> None:
        self.total = memory[:_TOTAL].cast("I")
        self.cells = memory[mmap.PAGESIZE :].cast("H")


@lru_cache(1024)
def _cells(name: str) -> tuple[int, int, int, int]:
    """Return the cells of a name, one in each row."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), key=_KEY, digest_size=8).digest()
    a, b, c, d = _DRAWN.unpack(digest)
    return a % WIDTH, WIDTH + b % WIDTH, 2 * WIDTH + c % WIDTH, 3 * WIDTH + d % WIDTH
