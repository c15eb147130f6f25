"""Who is connected, or logged in, counted over all workers of a service without a lock.

Before the workers are forked, their parent maps memory that all of them share. In it each worker has a part that it
alone writes and all others read. A cell is two or four octets at an address that they divide: processors read and
write such a cell at once (x86-64 as well as ARM), and no cell says anything about another, so neither locks nor fences
are needed. A reader sees a count as it is or as it just was. Workers that let somebody in at the same moment may
therefore pass a cap, by one less than there are workers at the most.

A worker knows its own crowd by name. Of the others it sees a count-min sketch (Cormode and Muthukrishnan, 2005): a
name has one cell in each of four rows, and counts as what its least cell holds. That is never too little. It is too
much only for who shares all four cells with others, and the cells are chosen by a secret key, so that nobody can aim:
with 2000 connections from as many addresses, one in 5000 counts one too many. The memory is the same for any flood.

When a worker dies, all of them end (runtime.workers), and what it counted goes with the memory.
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
WIDTH: Final = 16_384  # cells of a row
_TOTAL: Final = 4  # octets before the rows
_PART: Final = mmap.PAGESIZE + ROWS * WIDTH * 2  # octets of one worker for one kind of crowd
_MOST: Final = 65_535  # in a cell; a process has no more descriptors
_DRAWN: Final = struct.Struct("4H")
_KEY: Final = os.urandom(16)  # the workers have it from their parent


class Crowd:
    """How many there are by name; a crowd of one process unless `Crowds` made it. Names are clients or accounts."""

    def __init__(self, own: memoryview | None = None, others: Sequence[memoryview] = ()) -> None:
        self._here = 0
        self._names: Counter[str] = Counter()
        self._own = _Part(own) if own is not None else None
        self._others = [_Part(memory) for memory in others]

    @property
    def total(self) -> int:
        """How many there are in all workers."""
        return self._here + sum(part.total[0] for part in self._others)

    @property
    def here(self) -> int:
        """How many of them this worker has."""
        return self._here

    def of(self, name: str) -> int:
        """How many there are of that name in all workers."""
        here = self._names[name]
        if not self._others:
            return here
        cells = _cells(name)
        return here + min(sum(part.cells[cell] for part in self._others) for cell in cells)

    def enter(self, name: str) -> None:
        """One more."""
        self._here += 1
        self._names[name] += 1
        self._show(name, 1)

    def leave(self, name: str) -> None:
        """One less of those that entered."""
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


class Crowds:
    """The shared memory for crowds of these kinds, to be made before the workers are forked."""

    def __init__(self, kinds: Sequence[str], workers: int) -> None:
        self._kinds = tuple(kinds)
        self._workers = workers
        size = len(self._kinds) * workers * _PART
        # Pages that nobody has touched take no memory
        self._memory = memoryview(mmap.mmap(-1, size)) if size and workers > 1 else None

    def seen_by(self, worker: int, kind: str) -> Crowd:
        """The crowd of a kind as the worker of this number, from 1, has it in its own process."""
        if self._memory is None:
            return Crowd()
        parts = [self._part(self._memory, number, kind) for number in range(1, self._workers + 1)]
        return Crowd(parts[worker - 1], [part for n, part in enumerate(parts, 1) if n != worker])

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
    """Where a name is counted: one cell of each row."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), key=_KEY, digest_size=8).digest()
    a, b, c, d = _DRAWN.unpack(digest)
    return a % WIDTH, WIDTH + b % WIDTH, 2 * WIDTH + c % WIDTH, 3 * WIDTH + d % WIDTH
