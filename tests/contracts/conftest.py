"""What every Store must do is run on every implementation that we have: the fixtures for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from postroom.contracts.account import MailAccount
from postroom.contracts.store import Store
from postroom.store import open_store

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

    def send(self, account_id: str) -> None:
        self.accounts.append(account_id)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture(params=["sqlite", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, heard: Heard) -> AsyncIterator[Store]:
    opened = {"sqlite": open_store, "memory": MemoryStore}[request.param](
        str(tmp_path), heard, FixedClock(), open_accounts=3
    )
    yield opened
    await opened.close()


@pytest.fixture
async def ada(store: Store) -> MailAccount:
    return await store.account("ada", 0)
