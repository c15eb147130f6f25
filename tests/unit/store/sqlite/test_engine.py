"""What the contract does not say: several processes, failing disks, sharing of files, the log of a broken store."""

import asyncio
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from postroom.contracts import errors
from postroom.contracts.account import FlagMode, NewMessage
from postroom.contracts.store import Delivery
from postroom.store import NoNotices, SqliteStore, open_store
from postroom.store.blobs import files
from postroom.store.sqlite import adding, mailboxes, resting
from postroom.store.sqlite.database import Database

MESSAGE = b"Subject: x\r\n\r\nbody\r\n"


class FixedClock:
    def now(self) -> float:
        return 1_700_000_000

    def steady(self) -> float:
        return 0.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(str(tmp_path), NoNotices(), FixedClock(), busy_seconds=0.2)
    yield opened
    await opened.close()


def delivery(number: int, account: str = "ada", content: bytes = MESSAGE) -> Delivery:
    return Delivery(account, f"q{number}", f"{account}@x", b"", content, 1_700_000_000)


def message_files(folder: Path) -> list[Path]:
    return sorted((folder / files.MESSAGES).iterdir())


async def test_several_accounts_share_one_file(store: SqliteStore, tmp_path: Path) -> None:
    content = bytes(MESSAGE)
    await store.deliver([delivery(1, name, content) for name in ("ada", "bob", "cyd")])
    nodes = {path.stat().st_ino for name in ("ada", "bob", "cyd") for path in message_files(tmp_path / name)}
    assert len(nodes) == 1
    await store.deliver([delivery(2, "ada", content), delivery(2, "bob", content + b"x")])
    adas, bobs = ({path.stat().st_ino for path in message_files(tmp_path / name)} for name in ("ada", "bob"))
    assert (len(adas), len(bobs), adas & bobs) == (2, 2, nodes)


async def test_expunge_takes_the_file_away_when_the_last_copy_goes(
    store: SqliteStore, tmp_path: Path
) -> None:
    await store.deliver([delivery(1)])
    ada = await store.account("ada", "ada")
    await ada.copy(1, [1], "Sent")
    await ada.store(1, [1], FlagMode.ADD, frozenset({"\\Deleted"}))
    await ada.expunge(1)
    assert len(message_files(tmp_path / "ada")) == 1
    await ada.delete("Sent")
    assert message_files(tmp_path / "ada") == []


async def test_what_sqlite_makes_is_the_groups_too(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        store = open_store(str(tmp_path), NoNotices(), FixedClock())
        await store.deliver([delivery(1)])
        found = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "ada").iterdir()}
        await store.close()
    finally:
        os.umask(before)
    assert found == {"account.db": 0o660, "account.db-wal": 0o660, "account.db-shm": 0o660, "messages": 0o770}


async def test_an_account_at_rest_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resting, "SWEEP_SECONDS", 0.01)
    store = open_store(str(tmp_path), NoNotices(), FixedClock(), idle_seconds=-1.0)
    await store.deliver([delivery(1)])
    ada = await store.account("ada", "ada")
    while (tmp_path / "ada" / f"{files.DATABASE}-wal").exists():  # SQLite removes it with the last connection
        await asyncio.sleep(0.005)
    assert (await ada.status("INBOX")).messages == 1
    await store.close()


async def test_waiting_deliveries_are_one_commit(store: SqliteStore, tmp_path: Path) -> None:
    commits = []
    await store.deliver([delivery(0)])
    database = store._accounts["ada"].database
    assert database is not None
    database.sql.set_trace_callback(lambda text: commits.append(text) if text == "COMMIT" else None)
    results = await store.deliver([delivery(number) for number in range(1, 21)])
    assert results == (None,) * 20
    assert len(commits) == 1


async def test_another_process_sees_and_is_seen(store: SqliteStore, tmp_path: Path) -> None:
    ada = await store.account("ada", "ada")
    other = open_store(str(tmp_path), NoNotices(), FixedClock())
    try:
        since = (await ada.select("INBOX", True)).status.highestmodseq
        assert await other.deliver([delivery(1)]) == (None,)
        assert [row.uid for row in (await ada.changes(1, since, True)).rows] == [1]
        await asyncio.gather(
            *(store.deliver([delivery(number)]) for number in range(2, 30)),
            *(other.deliver([delivery(number)]) for number in range(20, 50)),
        )
        assert (await ada.status("INBOX")).messages == 49
        their = await other.account("ada", "ada")
        async with ada.maildrop():
            with pytest.raises(errors.MailboxInUse):
                await their.maildrop().__aenter__()
    finally:
        await other.close()


async def test_a_database_held_by_another_is_unavailable_and_nothing_stays(
    store: SqliteStore, tmp_path: Path
) -> None:
    await store.account("ada", "ada")
    holder = sqlite3.connect(tmp_path / "ada" / files.DATABASE, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    (result,) = await store.deliver([delivery(1)])
    assert isinstance(result, errors.Unavailable)
    ada = await store.account("ada", "ada")
    with pytest.raises(errors.Unavailable):
        await ada.append("Drafts", [NewMessage(b"x")])
    assert (await ada.status("INBOX")).messages == 0
    holder.execute("ROLLBACK")
    holder.close()
    assert message_files(tmp_path / "ada") == []
    assert await store.deliver([delivery(1)]) == (None,)


async def test_a_full_disk_is_unavailable_and_nothing_stays(store: SqliteStore, tmp_path: Path) -> None:
    """A file size limit stands in for the full disk: the write fails in its middle."""
    ada = await store.account("ada", "ada")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        results = await store.deliver([delivery(1), delivery(2, content=b"x" * 300_000), delivery(3)])
        assert [type(result) for result in results] == [type(None), errors.Unavailable, type(None)]
        with pytest.raises(errors.Unavailable):
            await ada.append("Drafts", [NewMessage(b"y"), NewMessage(b"x" * 300_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(message_files(tmp_path / "ada")) == 2
    assert (await ada.status("Drafts")).messages == 0
    assert await store.deliver([delivery(2)]) == (None,)


async def test_a_failing_database_write_leaves_nothing(store: SqliteStore, tmp_path: Path) -> None:
    ada = await store.account("ada", "ada")
    wal = tmp_path / "ada" / f"{files.DATABASE}-wal"
    await ada.subscribe("x", True)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + 5000, hard))
    try:
        (result,) = await store.deliver([delivery(1)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert isinstance(result, errors.Unavailable)
    assert message_files(tmp_path / "ada") == []
    assert (await ada.status("INBOX")).messages == 0
    assert await store.deliver([delivery(1)]) == (None,)
    assert (await ada.status("INBOX")).messages == 1


async def test_a_failing_fsync_stops_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    store = open_store(str(tmp_path), NoNotices(), FixedClock(), on_fatal=told.append)
    await store.account("ada", "ada")

    def broken(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    (result,) = await store.deliver([delivery(1)])
    monkeypatch.undo()
    assert isinstance(result, errors.Unavailable)
    assert len(told) == 1
    assert "Input/output error" in told[0]
    with pytest.raises(errors.Unavailable):
        await store.account("bob", "bob")
    (result,) = await store.deliver([delivery(2)])
    assert isinstance(result, errors.Unavailable)
    await store.close()


async def test_whoever_stops_waiting_breaks_nothing(store: SqliteStore) -> None:
    await store.account("ada", "ada")
    tasks = [asyncio.ensure_future(store.deliver([delivery(number)])) for number in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    ada = await store.account("ada", "ada")
    assert await store.deliver([delivery(number) for number in range(10)]) == (None,) * 10
    assert (await ada.status("INBOX")).messages == 10


async def test_old_deliveries_are_forgotten_though_the_account_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "_PRUNE_EVERY", 3)
    for number in (1, 2, 3):
        store = open_store(str(tmp_path), NoNotices(), FixedClock(), remember_deliveries=10.0)
        old = number < 3
        arrived = 1_700_000_000 - 11 * old
        await store.deliver([msgspec.structs.replace(delivery(number), arrived=arrived)])
        await store.close()
    with closing(Database(str(tmp_path / "ada"), 0, 1.0)) as database:
        assert database.sql.execute("SELECT queue_id FROM deliveries").fetchall() == [("q3",)]


async def test_names_of_an_account_are_not_without_end(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailboxes, "MOST_NAMES", 8)
    ada = await store.account("ada", "ada")
    await ada.create("one/two")
    for refused in (ada.create("three"), ada.rename("one/two", "x/y"), ada.rename("INBOX", "old")):
        with pytest.raises(errors.QuotaExceeded):
            await refused
    assert len(await ada.mailboxes()) == 8
    await ada.delete("one/two")
    await ada.create("three")
    for name in ("a", "b"):
        await ada.subscribe(name, True)
    with pytest.raises(errors.QuotaExceeded):
        await ada.subscribe("c", True)


async def test_a_folder_without_tables_is_finished(store: SqliteStore, tmp_path: Path) -> None:
    files.make_account(str(tmp_path / "ada"))
    ada = await store.account("ada", "ada")
    assert len(await ada.mailboxes()) == 6


# Who comes later finds more accounts made and is quicker, so that all meet at the newest.
MAKER = """
import sys
from postroom.store.sqlite import mailboxes
from postroom.store.sqlite.database import Database
for number in range(150):
    database = Database(f"{sys.argv[1]}/account-{number}", 1, 30.0)
    assert len(mailboxes.all_mailboxes(database)) == 6
    database.close()
"""


def test_an_account_is_made_by_several_processes_at_once(tmp_path: Path) -> None:
    """A first delivery while its person logs in for the first time: neither hears of the other."""
    command = [sys.executable, "-c", MAKER, str(tmp_path)]
    makers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [maker.communicate(timeout=100)[1] for maker in makers]
    assert [maker.returncode for maker in makers] == [0] * 4, said


def test_who_looks_at_an_unfinished_account_holds_up_nobody(tmp_path: Path) -> None:
    """SQLite refuses at once, without waiting, to make WAL of a file that another connection reads."""
    files.make_account(str(tmp_path / "ada"))
    (tmp_path / "ada" / files.DATABASE).touch()
    with closing(sqlite3.connect(tmp_path / "ada" / files.DATABASE, isolation_level=None)) as watcher:
        watcher.execute("BEGIN")
        assert watcher.execute("SELECT * FROM sqlite_master").fetchall() == []
        with closing(Database(str(tmp_path / "ada"), 1, 0.2)) as database:
            assert len(mailboxes.all_mailboxes(database)) == 6


def test_what_a_killed_process_began_is_finished_by_the_next(tmp_path: Path) -> None:
    files.make_account(str(tmp_path / "ada"))
    for ending in ("", "-journal", "-wal", "-shm"):
        (tmp_path / "ada" / f"account.db.new{ending}").write_bytes(b"begun" * 1000)
    with closing(Database(str(tmp_path / "ada"), 1, 1.0)) as database:
        assert len(mailboxes.all_mailboxes(database)) == 6
        assert {path.name for path in (tmp_path / "ada").iterdir()} == {
            "account.db", "account.db-wal", "account.db-shm", "messages",
        }  # fmt: skip


async def test_the_log_of_a_database_that_is_gone_is_no_part_of_a_new_one(tmp_path: Path) -> None:
    """SQLite would write its pages into whatever database stands beside it."""
    old = open_store(str(tmp_path), NoNotices(), FixedClock())
    for number in range(5):
        assert await old.deliver([delivery(number)]) == (None,)
    ada = tmp_path / "ada"
    left = {name: (ada / name).read_bytes() for name in ("account.db-wal", "account.db-shm")}
    await old.close()
    (ada / files.DATABASE).unlink()
    for name, octets in left.items():
        (ada / name).write_bytes(octets)
    with closing(Database(str(ada), 1, 1.0)) as database:
        assert database.used() == (0, 0)
        assert database.sql.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert (ada / "account.db-wal.damaged-1").read_bytes() == left["account.db-wal"]


def test_who_does_not_end_making_an_account_is_not_waited_for(tmp_path: Path) -> None:
    files.make_account(str(tmp_path / "ada"))
    with files.alone(str(tmp_path / "ada"), 1.0), pytest.raises(errors.Unavailable):
        Database(str(tmp_path / "ada"), 1, 0.05)


@pytest.mark.damages("database damaged")
async def test_a_later_schema_is_left_alone(store: SqliteStore, tmp_path: Path) -> None:
    database = Database(str(tmp_path / "ada"), 1, 1.0)
    database.sql.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(errors.Unavailable, match="schema 99"):
        await store.account("ada", "ada")
    (result,) = await store.deliver([delivery(1)])
    assert isinstance(result, errors.Unavailable)


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = open_store(str(tmp_path / "file"), NoNotices(), FixedClock())
    with pytest.raises(errors.Unavailable):
        await store.account("ada", "ada")
    await store.close()
