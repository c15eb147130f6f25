"""A queue on a disk without any room left: it empties itself, and takes nothing more meanwhile."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from postroom.contracts.errors import StorageFull
from postroom.contracts.outbox import Claim, Outcome, Wanted
from postroom.contracts.queueadmin import Selection
from postroom.queue.sqlite import admin
from postroom.queue.sqlite.lifecycle import Spool
from postroom.queue.sqlite.reader import SpoolReader
from postroom.queue.sqlite.reserve import OCTETS, Reserve, reserves
from postroom.queue.sqlite.settling import Settlement

from ....full_disk import fill
from ....relay_site import CLOCK, fail, message, put, world

HEAD = b"Subject: x\r\n\r\n"
NOW = 2_000_000_000.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def free(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def new_spool(disk: Path, spare: int | None = None) -> Spool:
    options = {} if spare is None else {"spare": spare}
    spool = Spool(str(disk / "mta"), 1, CLOCK, fail, run_directory=str(disk), **options)  # type: ignore[arg-type]
    spool.open()
    return spool


def queued(disk: Path) -> int:
    return sum(len(entry.recipients) for entry in admin.entries(admin.spool_files(str(disk)), Selection()))


def done(claims: list[Claim]) -> list[Settlement]:
    return [(claim.handle.seq, Outcome(row.number, None)) for claim in claims for row in claim.recipients]


async def loaded(disk: Path) -> Spool:
    """A spool with small and large messages, of which nothing is in the database file yet."""
    spool = new_spool(disk)
    for number in range(300):
        body = b"x" * (300_000 if number % 30 == 0 else 3000)
        await put(spool, message(world(f"p{number}@d{number % 7}.example")), HEAD, body)
    return spool


@pytest.mark.parametrize("checkpointed", [False, True])
async def test_a_queue_on_a_full_disk_empties_itself(disk: Path, checkpointed: bool) -> None:
    spool = await loaded(disk)
    reserve = Reserve(str(disk / "mta" / "relay.reserve"))
    reserve.keep()
    assert (disk / "mta" / "relay.reserve").stat().st_blocks * 512 >= OCTETS
    reader = SpoolReader(spool.path, "me", reserve=reserve)
    if checkpointed:
        with sqlite3.connect(spool.path) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    fill(disk)
    claims = reader.turnover([], Wanted(60), NOW, NOW + 60)
    while claims:
        claims = reader.turnover(done(claims), Wanted(60), NOW, NOW + 60)
        fill(disk)  # somebody else takes all of it at once
    assert queued(disk) == 0
    assert list((disk / "mta").glob("*.body")) == []
    if checkpointed:  # the log was short: there was nothing else to write to
        reserve.keep()
        assert not (disk / "mta" / "relay.reserve").exists()
    (disk / "ballast").unlink()
    reserve.keep()
    assert (disk / "mta" / "relay.reserve").exists()
    reader.close()
    await spool.close()


async def test_intake_leaves_the_last_room_to_the_relay(disk: Path) -> None:
    spool = new_spool(disk)
    own = new_spool(disk, spare=0)
    fill(disk)
    os.truncate(disk / "ballast", (disk / "ballast").stat().st_size - OCTETS)
    for size in (10, 300_000):
        with pytest.raises(StorageFull):
            await put(spool, message(world("a@b.example")), HEAD, b"x" * size)
        await put(own, message(world("a@b.example")), HEAD, b"x" * size)
    assert queued(disk) == 2
    assert len(list((disk / "mta").glob("*.body"))) == 1
    (disk / "ballast").unlink()
    await put(spool, message(world("a@b.example")), HEAD, b"x")
    await own.close()
    await spool.close()


def test_one_reserve_for_each_file_system(disk: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "relay", tmp_path / "mta", disk / "msa"]
    for folder in folders:
        folder.mkdir()
    found = reserves([*map(str, folders), str(tmp_path / "missing")])
    assert found[str(folders[0])] is found[str(folders[1])]
    assert found[str(folders[2])] is not found[str(folders[0])]
    for reserve in found.values():
        reserve.keep()
    assert (tmp_path / "relay" / "relay.reserve").stat().st_size == OCTETS
    assert not (tmp_path / "mta" / "relay.reserve").exists()
    assert (disk / "msa" / "relay.reserve").exists()


def test_a_reserve_that_cannot_be_made_harms_nobody(tmp_path: Path) -> None:
    (tmp_path / "relay.reserve").mkdir()
    reserve = Reserve(str(tmp_path / "relay.reserve"))
    reserve.keep()
    reserve.give_up()
    Reserve(str(tmp_path / "missing" / "relay.reserve")).keep()


def test_a_reserve_whose_making_was_interrupted_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "relay.reserve"
    path.touch()
    Reserve(str(path)).keep()
    assert path.stat().st_size == OCTETS
