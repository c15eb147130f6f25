"""What every Store must do is run on every implementation that we have: the fixtures for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from postroom.contracts.account import MailAccount
from postroom.contracts.store import Store
from postroom.store import open_store

from .far_store import FarStore
from .mailbox_acts import NOW
from .memory_store import MemoryStore


class FixedClock:
    def now(self) -> float:
        return NOW

    def steady(self) -> float:
        return 0.0


class Heard:
    def __init__(self) -> None:
        self.accounts: list[str] = []
        self._callbacks: dict[str, set[Callable[[], None]]] = {}

    def send(self, account_id: str) -> None:
        self.accounts.append(account_id)
        for callback in self._callbacks.get(account_id, ()):
            asyncio.get_running_loop().call_soon(callback)

    def watch(self, account_id: str, callback: Callable[[], None]) -> None:
        self._callbacks.setdefault(account_id, set()).add(callback)

    def unwatch(self, account_id: str, callback: Callable[[], None]) -> None:
        self._callbacks.get(account_id, set()).discard(callback)

    def close(self) -> None:
        self._callbacks.clear()


@pytest.fixture
def heard() -> Heard:
    return Heard()


class Limits:
    """Quotas that tests set."""

    def __init__(self) -> None:
        self.octets: dict[str, int] = {}

    async def limit(self, account_id: str) -> int:
        return self.octets.get(account_id, 0)


@pytest.fixture
def limits() -> Limits:
    return Limits()


ENGINES = {"sqlite": open_store, "memory": MemoryStore, "far": FarStore}


@pytest.fixture(params=list(ENGINES))
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, heard: Heard, limits: Limits
) -> AsyncIterator[Store]:
    opened = ENGINES[request.param](str(tmp_path), heard, FixedClock(), open_accounts=3, quotas=limits)
    yield opened
    await opened.close()


@pytest.fixture
async def ada(store: Store) -> MailAccount:
    return await store.account("ada", "ada")
