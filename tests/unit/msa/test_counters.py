"""Counts last, over restarts and over processes."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from postroom.contracts.errors import Unavailable
from postroom.msa.counters import Counters
from postroom.policy.limits import Allowance, Use

ALLOWED = Allowance(3, 10)
NOON = 1_790_000_000.0


async def test_counts_survive_a_restart(tmp_path: Path) -> None:
    for expected in (True, True, True, False):
        counters = Counters(str(tmp_path / "counters.db"))
        assert await counters.take("ada", 1, ALLOWED, NOON) is expected
        counters.close()


async def test_two_processes_share_them(tmp_path: Path) -> None:
    one, two = Counters(str(tmp_path / "c.db")), Counters(str(tmp_path / "c.db"))
    taken = [await counters.take("ada", 1, ALLOWED, NOON) for counters in (one, two, one, two)]
    assert taken == [True, True, True, False]
    assert await two.use("ada", NOON) == Use(3, 3)
    assert await two.use("bob", NOON) == Use(0, 0)
    one.close()
    two.close()


async def test_a_worker_waits_for_others_that_start(tmp_path: Path) -> None:
    """SQLite itself would not wait: it refuses at once to make WAL of a file that another connection reads."""
    (tmp_path / "c.db").touch()
    watcher = sqlite3.connect(tmp_path / "c.db", isolation_level=None, check_same_thread=False)
    watcher.execute("BEGIN")
    watcher.execute("SELECT * FROM sqlite_master").fetchall()
    counters = Counters(str(tmp_path / "c.db"))
    taking = asyncio.ensure_future(counters.take("ada", 1, ALLOWED, NOON))
    assert not (await asyncio.wait([taking], timeout=0.1))[0]
    watcher.close()
    assert await taking
    counters.close()


async def test_a_day_later_all_is_forgiven(tmp_path: Path) -> None:
    counters = Counters(str(tmp_path / "c.db"))
    assert await counters.take("ada", 10, ALLOWED, NOON)
    assert not await counters.take("ada", 1, ALLOWED, NOON + 23 * 3600)
    assert await counters.take("ada", 1, ALLOWED, NOON + 25 * 3600)
    counters.close()


async def test_unusable_file(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await Counters(str(tmp_path / "missing" / "c.db")).use("ada", NOON)
