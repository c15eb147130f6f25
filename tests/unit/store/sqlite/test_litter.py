"""What a killed process leaves goes by itself, and nothing else does."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from postroom.contracts.account import NewMessage
from postroom.contracts.store import Delivery
from postroom.mail.ids import queue_id
from postroom.runtime.clock import SystemClock
from postroom.store import NoNotices, SqliteStore, open_store
from postroom.store.blobs import files
from postroom.store.sqlite import litter, resting
from postroom.store.sqlite.verify import verify

HOUR = 3600
MESSAGE = b"Subject: x\r\n\r\nbody\r\n"
# Delivers two messages, and is killed in the middle of the third: between its file and its row.
KILLED = """
import asyncio, os, signal, sys, time
from postroom.contracts.store import Delivery
from postroom.store import NoNotices, open_store
from postroom.store.sqlite import adding

class Clock:
    now = staticmethod(lambda: time.time() - float(sys.argv[2]))
    steady = staticmethod(time.monotonic)

async def main():
    store = open_store(sys.argv[1], NoNotices(), Clock())
    for number in range(3):
        if number == 2:
            adding._commit = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        await store.deliver([Delivery("ada", f"q{number}", "a@x", b"", b"Subject: x\\r\\n\\r\\n", 1)])

asyncio.run(main())
"""


class Past(SystemClock):
    """A clock of so many seconds ago."""

    def __init__(self, ago: float) -> None:
        self.ago = ago

    def now(self) -> float:
        return super().now() - self.ago


def delivery(queue: str) -> Delivery:
    return Delivery("ada", queue, "a@x", b"", MESSAGE, 1)


class Told:
    def __init__(self) -> None:
        self.lines: list[str] = []


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def store(tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteStore]:
    """Looks at its accounts many times in a second."""
    monkeypatch.setattr(resting, "SWEEP_SECONDS", 0.01)
    opened = open_store(str(tmp_path), NoNotices(), SystemClock(), warn=told.lines.append)
    yield opened
    await opened.close()


def killed(folder: Path, ago: float) -> None:
    """A process that was killed amid a delivery, so many seconds ago."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(ago)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    age(folder, ago)


def age(folder: Path, ago: float) -> None:
    then = time.time() - ago
    for path in messages(folder).iterdir():
        os.utime(path, (then, then))


def messages(folder: Path) -> Path:
    return folder / "ada" / files.MESSAGES


def put_litter(folder: Path, count: int, ago: float) -> list[Path]:
    """Files under names of that time."""
    made = []
    for _ in range(count):
        path = messages(folder) / queue_id(int((time.time() - ago) * 1000), os.urandom(10))
        path.write_bytes(MESSAGE)
        os.utime(path, (time.time() - ago,) * 2)
        made.append(path)
    return made


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


def looked(folder: Path) -> bool:
    return (folder / "ada" / "swept").exists()


async def test_what_a_kill_left_goes_and_mail_stays(store: SqliteStore, tmp_path: Path, told: Told) -> None:
    killed(tmp_path, 3 * HOUR)
    assert len(list(messages(tmp_path).iterdir())) == 3
    ada = await store.account("ada", "ada")
    await until(lambda: len(list(messages(tmp_path).iterdir())) == 2)
    box = await ada.select("INBOX", False)
    assert [len(await ada.content(box.mailbox.id, uid)) for uid in box.uids] == [14, 14]
    await until(lambda: bool(told.lines))
    assert told.lines == ["account ada: 1 message files that no message had are removed"]


async def test_what_is_young_stays(store: SqliteStore, tmp_path: Path, told: Told) -> None:
    killed(tmp_path, HOUR / 2)
    await store.account("ada", "ada")
    await until(lambda: looked(tmp_path))
    assert len(list(messages(tmp_path).iterdir())) == 3
    assert told.lines == []


async def test_an_old_name_alone_is_not_enough(store: SqliteStore, tmp_path: Path) -> None:
    killed(tmp_path, 3 * HOUR)
    age(tmp_path, 60)  # as if what was named long ago had been written just now
    await store.account("ada", "ada")
    await until(lambda: looked(tmp_path))
    assert len(list(messages(tmp_path).iterdir())) == 3


async def test_a_delivery_in_flight_is_waited_for(store: SqliteStore, tmp_path: Path, told: Told) -> None:
    killed(tmp_path, 3 * HOUR)
    other = files.Folder(str(messages(tmp_path)))
    with other.in_use():
        await store.account("ada", "ada")
        entry = store._accounts["ada"]
        await until(lambda: entry.tidied > 0)
        await until(lambda: entry.tidied < 0)  # it looked, and will again
        assert len(list(messages(tmp_path).iterdir())) == 3
        assert not looked(tmp_path)
    await until(lambda: len(list(messages(tmp_path).iterdir())) == 2)
    other.close()


@pytest.mark.damages("litter")
async def test_mail_beside_a_new_database_is_left(store: SqliteStore, tmp_path: Path, told: Told) -> None:
    killed(tmp_path, 3 * HOUR)
    for path in (tmp_path / "ada").glob(f"{files.DATABASE}*"):
        path.unlink()
    await store.account("ada", "ada")
    await until(lambda: looked(tmp_path))
    assert len(list(messages(tmp_path).iterdir())) == 3


async def test_mail_beside_a_restored_database_is_left(
    tmp_path: Path, told: Told, store: SqliteStore
) -> None:
    past = open_store(str(tmp_path), NoNotices(), Past(3 * HOUR))
    assert await past.deliver([delivery("q1")]) == (None,)
    await past.close()
    database = tmp_path / "ada" / files.DATABASE
    backup = database.read_bytes()
    past = open_store(str(tmp_path), NoNotices(), Past(2 * HOUR))
    assert await past.deliver([delivery("q2")]) == (None,)
    ada = await past.account("ada", 0)
    await ada.append("INBOX", [NewMessage(MESSAGE)])
    await past.close()
    database.write_bytes(backup)
    age(tmp_path, 2 * HOUR)
    await store.account("ada", "ada")
    await until(lambda: bool(told.lines))
    assert len(list(messages(tmp_path).iterdir())) == 3
    assert told.lines == ["account ada: 2 message files that no message has: postroom store verify"]
    found = list(verify(str(tmp_path), "ada", True, lambda done, total: None))
    assert [(finding.kind, finding.repaired) for finding in found] == [("mail without a row", True)] * 2
    ada = await store.account("ada", "ada")
    box = await ada.select("Recovered", False)
    assert [await ada.content(box.mailbox.id, uid) for uid in box.uids] == [MESSAGE, MESSAGE]


async def test_messages_of_an_open_account_cannot_be_written(store: SqliteStore, tmp_path: Path) -> None:
    assert await store.deliver([delivery("q1"), delivery("q2")]) == (None, None)
    await until(lambda: all(path.stat().st_mode & 0o777 == 0o440 for path in messages(tmp_path).iterdir()))


@pytest.mark.damages("litter")
async def test_too_many_are_told_and_left(store: SqliteStore, tmp_path: Path, told: Told) -> None:
    killed(tmp_path, 5 * HOUR)
    made = put_litter(tmp_path, litter.MOST, 3 * HOUR)
    await store.account("ada", "ada")
    await until(lambda: bool(told.lines))
    assert told.lines == [
        f"account ada: {litter.MOST + 1} message files that no message has: postroom store verify"
    ]
    assert all(path.exists() for path in made)


@pytest.mark.damages("litter")
async def test_one_look_a_day_whichever_process_looks(store: SqliteStore, tmp_path: Path, told: Told) -> None:
    killed(tmp_path, 72 * HOUR)
    for name in messages(tmp_path).iterdir():
        assert name.exists()
    await store.account("ada", "ada")
    await until(lambda: bool(told.lines))
    (young,) = put_litter(tmp_path, 1, 2 * HOUR)
    (old,) = put_litter(tmp_path, 1, 60 * HOUR)
    other = open_store(str(tmp_path), NoNotices(), SystemClock(), warn=told.lines.append)
    await other.account("ada", "ada")
    await until(lambda: other._accounts["ada"].tidied > 0 and not other._accounts["ada"].busy)
    assert young.exists()
    mark = tmp_path / "ada" / "swept"
    os.utime(mark, (time.time() - 25 * HOUR,) * 2)
    other._accounts["ada"].tidied = float("-inf")
    await until(lambda: not young.exists())
    assert old.exists()  # the last look went past its time
    await other.close()


@pytest.mark.damages("foreign file")
async def test_what_is_no_message_file_is_left(store: SqliteStore, tmp_path: Path) -> None:
    killed(tmp_path, 3 * HOUR)
    name = queue_id(int((time.time() - 2 * HOUR) * 1000), bytes(10))
    (messages(tmp_path) / name).symlink_to("/etc/hostname")
    os.utime(messages(tmp_path) / name, (time.time() - 2 * HOUR,) * 2, follow_symlinks=False)
    (messages(tmp_path) / "notes.txt").write_text("x")
    await store.account("ada", "ada")
    await until(lambda: len(list(messages(tmp_path).iterdir())) == 4)
    assert (messages(tmp_path) / name).is_symlink()


async def test_deliveries_go_on_meanwhile(store: SqliteStore, tmp_path: Path) -> None:
    killed(tmp_path, 3 * HOUR)
    wanted = [Delivery("ada", f"n{number}", "a@x", b"", MESSAGE, 1) for number in range(100)]
    results = await asyncio.gather(*(store.deliver([one]) for one in wanted))
    assert results == [(None,)] * 100
    await until(lambda: len(list(messages(tmp_path).iterdir())) == 102)
