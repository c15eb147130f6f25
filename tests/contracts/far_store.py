"""A store that is far away: every call is answered after 5 ms, and counted.

What is slow here is slow on every engine that is not in the same process; a number of calls that grows with the number
of messages is a fault of the caller, or of the contract.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from postroom.contracts.account import MailAccount
from postroom.contracts.clock import Clock
from postroom.contracts.store import Delivery
from postroom.store import Notices, open_store

DELAY = 0.005  # seconds


class FarAccount:
    """An account whose calls take their time."""

    def __init__(self, account: MailAccount, calls: Counter[str]) -> None:
        self._account = account
        self._calls = calls

    def __getattr__(self, name: str) -> Callable[..., Any]:
        near = getattr(self._account, name)

        async def far(*arguments: object, **named: object) -> object:
            self._calls[name] += 1
            await asyncio.sleep(DELAY)
            return await near(*arguments, **named)

        return far

    @asynccontextmanager
    async def maildrop(self) -> AsyncIterator[None]:
        """Two calls: one to lock, one to unlock."""
        self._calls["maildrop"] += 1
        await asyncio.sleep(DELAY)
        async with self._account.maildrop():
            yield


class FarStore:
    """The SQLite engine, far away."""

    def __init__(self, directory: str, notices: Notices, clock: Clock, **options: Any) -> None:
        self.near = open_store(directory, notices, clock, **options)
        self.calls: Counter[str] = Counter()

    async def account(self, account_id: str, person: str) -> FarAccount:
        """Open an account."""
        self.calls["account"] += 1
        await asyncio.sleep(DELAY)
        return FarAccount(await self.near.account(account_id, person), self.calls)

    async def deliver(self, deliveries: Sequence[Delivery]) -> tuple[Exception | None, ...]:
        """Deliver."""
        self.calls["deliver"] += 1
        await asyncio.sleep(DELAY)
        return await self.near.deliver(deliveries)

    def watch(self, account_id: str, callback: Callable[[], None]) -> None:
        """Watch an account; the news take their time as well."""
        self.near.watch(account_id, callback)

    def unwatch(self, account_id: str, callback: Callable[[], None]) -> None:
        """End a watch."""
        self.near.unwatch(account_id, callback)

    async def close(self) -> None:
        """Close the engine."""
        await self.near.close()
