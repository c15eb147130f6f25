"""The spool when the disk does not do what it should, and when processes die."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from postroom.contracts.errors import Unavailable
from postroom.contracts.queueadmin import Selection
from postroom.queue.sqlite import admin
from postroom.queue.sqlite.lifecycle import Spool
from postroom.queue.sqlite.reserve import SPARE

from ....relay_site import CLOCK, SpoolFailed, fail, mailbox, message, put

HEAD = b"Subject: x\r\n\r\n"


def spool_in(folder: Path, spare: int = SPARE) -> Spool:
    spool = Spool(str(folder / "mta"), 1, CLOCK, fail, run_directory=str(folder), spare=spare)
    spool.open()
    return spool


def ids(folder: Path) -> set[str]:
    return {entry.id for entry in admin.entries(admin.spool_files(str(folder)), Selection())}


class Breaking:
    """A database whose COMMIT fails with an error of the operating system's."""

    def __init__(self, real: sqlite3.Connection, code: int) -> None:
        self.real, self.code = real, code

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        if statement == "COMMIT":
            error = sqlite3.OperationalError("injected")
            error.sqlite_errorcode = self.code
            raise error
        return self.real.execute(statement, *values)

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)


async def test_a_relay_that_looks_holds_up_no_new_spool(tmp_path: Path) -> None:
    """SQLite refuses at once, without waiting, to make WAL of a file that another connection reads."""
    (tmp_path / "mta").mkdir()
    place = tmp_path / "mta" / "mta-1.db"
    place.touch()
    with closing(sqlite3.connect(place, isolation_level=None)) as watcher:
        watcher.execute("BEGIN")
        assert watcher.execute("SELECT * FROM sqlite_master").fetchall() == []
        spool = spool_in(tmp_path)
    await put(spool, message(mailbox(1)), HEAD, b"")
    assert len(ids(tmp_path)) == 1
    await spool.close()


async def test_what_a_killed_process_began_is_finished_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "mta").mkdir()
    for ending in ("", "-journal", "-wal", "-shm"):
        (tmp_path / "mta" / f"mta-1.db.new{ending}").write_bytes(b"begun" * 1000)
    spool = spool_in(tmp_path)
    await put(spool, message(mailbox(1)), HEAD, b"")
    assert len(ids(tmp_path)) == 1
    await spool.close()
    assert not list((tmp_path / "mta").glob("*.new*"))


async def test_workers_that_start_at_once_make_one_folder(tmp_path: Path) -> None:
    for attempt in range(30):
        together = threading.Barrier(4)

        def start(worker: int, folder: Path, together: threading.Barrier) -> Spool:
            spool = Spool(str(folder / "deep" / "mta"), worker, CLOCK, fail, run_directory=str(folder))
            together.wait(10)
            spool.open()
            return spool

        with ThreadPoolExecutor(4) as pool:
            opened = list(
                pool.map(partial(start, folder=tmp_path / str(attempt), together=together), range(1, 5))
            )
        assert {spool.name for spool in opened} == {"mta-1", "mta-2", "mta-3", "mta-4"}
        for spool in opened:
            await spool.close()


async def test_a_failed_commit_accepts_nothing_and_the_next_one_goes_on(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    real = spool.commits._database
    spool.commits._database = Breaking(real, sqlite3.SQLITE_FULL)  # type: ignore[assignment]
    with pytest.raises(Unavailable):
        await put(spool, message(mailbox(1)), HEAD, b"x" * 300_000)
    spool.commits._database = real
    assert ids(tmp_path) == set()
    assert not list(tmp_path.glob("mta/*.body"))
    identity = await put(spool, message(mailbox(1)), HEAD, b"x")
    assert ids(tmp_path) == {identity}
    await spool.close()


async def test_an_envelope_that_cannot_be_written_down_spoils_no_other(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    envelopes = [message(mailbox(1)) for _ in range(6)]
    envelopes[3] = replace(envelopes[3], sender="half \udc80 pair")
    results = await asyncio.gather(
        *(put(spool, envelope, HEAD, b"text") for envelope in envelopes), return_exceptions=True
    )
    assert [isinstance(result, Unavailable) for result in results] == [number == 3 for number in range(6)]
    await spool.close()
    assert ids(tmp_path) == {envelope.id for number, envelope in enumerate(envelopes) if number != 3}


async def test_a_failed_sync_ends_the_process(tmp_path: Path) -> None:
    ended: list[str] = []
    spool = spool_in(tmp_path)

    def end(text: str) -> None:
        ended.append(text)
        raise SpoolFailed(text)

    spool.commits._fail = end  # type: ignore[assignment]
    spool.commits._database = Breaking(spool.commits._database, sqlite3.SQLITE_IOERR_FSYNC)  # type: ignore[assignment]
    with pytest.raises(Unavailable):
        await put(spool, message(mailbox(1)), HEAD, b"x" * 300_000)
    assert len(ended) == 1
    assert len(list(tmp_path.glob("mta/*.body"))) == 1  # its row may be on disk after all


@pytest.mark.parametrize("call", ["fsync", "rename"])
async def test_a_body_that_cannot_be_kept_is_not_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    spool = spool_in(tmp_path)

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, broken)
        with pytest.raises(Unavailable):
            await put(spool, message(mailbox(1)), HEAD, b"x" * 300_000)
    assert ids(tmp_path) == set()
    assert not list(tmp_path.glob("mta/*.draft"))
    await spool.close()


async def test_a_full_disk_is_unavailable_and_recovers(tmp_path: Path) -> None:
    """A file system of 4 MiB, really full."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk], check=True)
    try:
        spool = spool_in(disk, spare=0)
        accepted = set()

        async def fill() -> None:
            while True:
                accepted.add(await put(spool, message(mailbox(1)), HEAD, b"x" * 100_000))

        with pytest.raises(Unavailable):
            await fill()
        with pytest.raises(Unavailable):
            await put(spool, message(mailbox(1)), HEAD, b"x" * 8_000_000)
        assert ids(disk) == accepted
        subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
        accepted.add(await put(spool, message(mailbox(1)), HEAD, b"x" * 100_000))
        assert ids(disk) == accepted
        await spool.close()
    finally:
        subprocess.run(["umount", disk], check=True)


async def test_a_second_process_takes_another_name_and_leftovers_go(tmp_path: Path) -> None:
    first = spool_in(tmp_path)
    second = spool_in(tmp_path)
    assert (first.name, second.name) == ("mta-1", "mta-1-2")
    kept = await put(first, message(mailbox(1)), HEAD, b"x" * 300_000)
    (tmp_path / "mta" / "mta-1.00.draft").write_bytes(b"x")
    (tmp_path / "mta" / "mta-1.00.body").write_bytes(b"x")
    (tmp_path / "mta" / "mta-1-2.00.body").write_bytes(b"x")
    await first.close()
    again = spool_in(tmp_path)
    assert again.name == "mta-1"
    assert sorted(path.name.partition(".")[0] for path in tmp_path.glob("mta/*.body")) == ["mta-1", "mta-1-2"]
    assert ids(tmp_path) == {kept}
    await again.close()
    await second.close()


async def test_the_log_does_not_grow_without_end(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    for _ in range(60):
        await put(spool, message(mailbox(1)), HEAD, b"x" * 130_000)
    for _ in range(900):
        await put(spool, message(mailbox(1)), HEAD, b"x" * 130_000)
    assert (tmp_path / "mta" / "mta-1.db-wal").stat().st_size < 80 << 20
    await spool.close()


async def test_nothing_is_left_of_a_discarded_draft(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    draft = spool.draft()
    draft.write(b"x" * 500_000)
    assert list(tmp_path.glob("mta/*.draft"))
    draft.discard()
    assert not list(tmp_path.glob("mta/*.draft"))
    assert ids(tmp_path) == set()
    await spool.close()


async def test_files_are_shared_with_the_group(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    await put(spool, message(mailbox(1)), HEAD, b"x" * 300_000)
    modes = {path.suffix: path.stat().st_mode & 0o7777 for path in tmp_path.glob("mta/*")}
    assert modes[".db"] == modes[".db-wal"] == modes[".db-shm"] == modes[".body"] == 0o660
    assert tmp_path.joinpath("mta").stat().st_mode & 0o7777 == 0o2770
    with closing(sqlite3.connect(next(tmp_path.glob("mta/*.db")))) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    await spool.close()


WRITER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.relay_site import CLOCK, fail, mailbox, message, put
from postroom.queue.sqlite.lifecycle import Spool

async def main():
    spool = Spool(sys.argv[1] + "/mta", 1, CLOCK, fail, run_directory=sys.argv[1])
    spool.open()
    async def session(number):
        while True:
            size = (100, 20_000, 200_000)[number % 3]
            identity = await put(spool, message(mailbox(1)), b"Subject: x\\r\\n\\r\\n", b"x" * size)
            print(identity, flush=True)
    await asyncio.gather(*map(session, range(10)))

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 17, 40, 90])
async def test_what_a_killed_writer_acknowledged_is_there(tmp_path: Path, acknowledged: int) -> None:
    root = str(Path(__file__).parents[4])
    command = [sys.executable, "-c", WRITER, str(tmp_path), root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline().strip() for _ in range(acknowledged)]
        process.kill()
        seen += process.stdout.read().split("\n")[:-1]
    spool = spool_in(tmp_path)
    assert set(seen) <= ids(tmp_path)
    for entry in admin.entries(admin.spool_files(str(tmp_path)), Selection()):
        assert len(b"".join(admin.content(entry).chunks())) in (114, 20_014, 200_014)
    await spool.close()
