"""SqliteDirectory: new files are noticed, broken ones are an Unavailable."""

import json
import os
import time
from pathlib import Path

import pytest
from postroom.contracts.errors import Unavailable
from postroom.directory.apply import apply
from postroom.directory.reader import CHECK_EVERY, SqliteDirectory
from postroom.directory.reading import read_document


def write(path: Path, *people: str) -> None:
    document = {
        "version": 1,
        "domains": [{"name": "a.example", "home": "mail.a.example"}],
        "accounts": [{"id": name, "address": f"{name}@a.example"} for name in people],
    }
    apply(path, read_document(json.dumps(document).encode()))


class Steady:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def test_x14_who_exists_is_looked_up_like_who_does_not(tmp_path: Path) -> None:
    """The same work at the first question and at every later one: no answer is quicker for being remembered."""
    write(tmp_path / "directory.db", "ada")
    directory = SqliteDirectory(tmp_path / "directory.db", Steady())
    await directory.domains()
    asked: list[str] = []
    directory._current().db.set_trace_callback(asked.append)
    heard = set()
    for name in ("ada@a.example", "nob@a.example", "ada@elsewhere.example", "postmaster@a.example") * 2:
        asked.clear()
        await directory.login(name)
        heard.add(tuple(statement.partition("WHERE")[0] for statement in asked))
    assert len(heard) == 1
    assert len(heard.pop()) == 2


async def test_a_replaced_file_is_seen_after_the_interval_and_not_before(tmp_path: Path) -> None:
    path, steady = tmp_path / "directory.db", Steady()
    write(path, "ada")
    directory = SqliteDirectory(path, steady)
    assert await directory.login("bob@a.example") is None
    write(path, "ada", "bob")
    steady.seconds += CHECK_EVERY / 2
    assert await directory.login("bob@a.example") is None
    steady.seconds += CHECK_EVERY
    account = await directory.login("bob@a.example")
    assert account is not None
    assert account.id == "bob"


async def test_cached_entries_do_not_outlive_their_file(tmp_path: Path) -> None:
    path, steady = tmp_path / "directory.db", Steady()
    write(path, "ada", "bob")
    directory = SqliteDirectory(path, steady)
    before = await directory.entry("bob@a.example")
    assert before is not None
    assert before.account is not None
    assert before.account.enabled
    write(path, "ada")
    steady.seconds += CHECK_EVERY
    after = await directory.entry("bob@a.example")
    assert after is not None
    assert after.account is not None
    assert not after.account.enabled


async def test_a_missing_file_is_unavailable_until_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "directory.db"
    directory = SqliteDirectory(path)
    with pytest.raises(Unavailable):
        await directory.domain("a.example")
    write(path, "ada")
    assert await directory.domain("a.example") is not None


@pytest.mark.parametrize("octets", [b"", b"no database at all, and long enough to be read as one" * 100])
async def test_a_broken_file_is_unavailable(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "directory.db"
    path.write_bytes(octets)
    with pytest.raises(Unavailable):
        await SqliteDirectory(path).login("ada@a.example")


async def test_a_file_that_goes_is_unavailable(tmp_path: Path) -> None:
    path, steady = tmp_path / "directory.db", Steady()
    write(path, "ada")
    directory = SqliteDirectory(path, steady)
    assert await directory.account("ada") is not None
    os.unlink(path)
    steady.seconds += CHECK_EVERY
    with pytest.raises(Unavailable):
        await directory.account("ada")


async def test_names_that_say_sql_match_nobody(tmp_path: Path) -> None:
    """X17: names are parameters, never part of a statement."""
    path = tmp_path / "directory.db"
    write(path, "ada")
    directory = SqliteDirectory(path)
    for name in ("' OR 1=1 --", "%", "_da@a.example", 'ada@a.example";', "ada@a.example\0x"):
        assert await directory.login(name) is None
        assert await directory.entry(name) is None
        assert await directory.account(name) is None


async def test_a_lookup_is_fast(tmp_path: Path) -> None:
    path = tmp_path / "directory.db"
    write(path, *(f"p{number}" for number in range(2000)))
    directory = SqliteDirectory(path)
    await directory.entry("p0@a.example")
    began = time.process_time()
    for number in range(2000):
        assert await directory.entry(f"p{number}@a.example") is not None
    assert (time.process_time() - began) / 2000 < 0.0005
