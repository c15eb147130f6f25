"""Hashing off the event loop, in a bounded number of threads."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from postroom.auth.hashing import Hasher
from postroom.contracts.errors import Unavailable

T = TypeVar("T")


class HashPool:
    """A few threads that hash, and a limit on the passwords that wait for them."""

    def __init__(self, hasher: Hasher, threads: int, max_pending: int) -> None:
        self.hasher = hasher
        self._free = asyncio.Semaphore(threads)
        self._threads = ThreadPoolExecutor(threads, "argon2")
        self._max_pending = max_pending
        self._pending = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a free thread. Raises Unavailable when too many are waiting."""
        if self._pending >= self._max_pending:
            raise Unavailable("too many passwords wait for a thread")
        self._pending += 1
        try:
            async with self._free:
                yield
        finally:
            self._pending -= 1

    async def matches(self, password: str, verifier: str) -> bool:
        """Return whether password and verifier match. Call it within a slot."""
        return await self._in_thread(self.hasher.matches, password, verifier)

    async def renewed(self, password: str, verifier: str) -> str | None:
        """Return a verifier with the present parameters, or None if it has them already. Call it within a slot."""
        if not self.hasher.outdated(verifier):
            return None
        return await self._in_thread(self.hasher.make, password)

    async def _in_thread(self, work: Callable[..., T], *arguments: str) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
