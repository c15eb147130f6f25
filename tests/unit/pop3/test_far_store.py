"""A session of 100 messages on a store that is far away: calls do not grow with the messages, but with the windows."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from postroom.contracts.account import NewMessage
from postroom.pop3.maildrop import AHEAD, Maildrop
from postroom.runtime.clock import SystemClock
from postroom.store import NoNotices

from ...contracts.far_store import FarStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FarStore]:
    opened = FarStore(str(tmp_path), NoNotices(), SystemClock())
    yield opened
    await opened.close()


@pytest.mark.parametrize("octets", [100, 10_000])
async def test_a_session_of_100_messages(store: FarStore, octets: int) -> None:
    letters = [b"Subject: %d\r\n\r\n" % number + b"x" * octets for number in range(100)]
    near = await store.near.account("ada", "ada")
    await near.append("INBOX", [NewMessage(letter) for letter in letters])
    store.calls.clear()
    maildrop = await Maildrop.open(await store.account("ada", "ada"))
    assert len(maildrop.identities()) == 100
    for number, letter in enumerate(letters, 1):
        assert await maildrop.content(number) == letter
        maildrop.note_read(number)
        maildrop.delete(number)
    await maildrop.update()
    await maildrop.close()
    windows = store.calls.pop("contents") + store.calls.pop("content", 0)
    assert windows <= max(2, 100 // (AHEAD // len(letters[-1])) + 1)
    assert store.calls == {"account": 1, "maildrop": 1, "select": 1, "rows": 1, "store": 1, "expunge": 1}
