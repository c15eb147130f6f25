"""What every intake must do."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from postroom.contracts.queue import Intake
from postroom.contracts.queueadmin import Selection
from postroom.queue.sqlite import admin
from postroom.queue.sqlite.lifecycle import Spool

from ..relay_site import CLOCK, fail, mailbox, message, put, world

HEAD = b"Subject: x\r\n\r\n"


@pytest.fixture
async def intake(tmp_path: Path) -> AsyncIterator[Intake]:
    spool = Spool(str(tmp_path / "mta"), 1, CLOCK, fail, run_directory=str(tmp_path))
    spool.open()
    yield spool
    await spool.close()


def stored(root: Path) -> dict[str, bytes]:
    """What another process finds: queue ids and whole messages."""
    found = admin.entries(admin.spool_files(str(root)), Selection())
    return {entry.id: b"".join(admin.content(entry).chunks()) for entry in found}


@pytest.mark.parametrize("size", [0, 10, 131_072, 131_073, 1_000_000])
async def test_what_is_accepted_is_there_for_others(intake: Intake, tmp_path: Path, size: int) -> None:
    body = b"x" * size
    identity = await put(intake, message(mailbox(1)), HEAD, body)
    assert stored(tmp_path) == {identity: HEAD + body}


async def test_a_draft_gives_back_what_was_written(intake: Intake) -> None:
    for size in (100, 200_000):
        draft = intake.draft()
        text = HEAD + b"y" * size
        for at in range(0, len(text), 777):
            draft.write(text[at : at + 777])
        assert draft.size == len(text)
        assert draft.head(1000) == HEAD
        assert draft.head(5) == text[:5]
        assert b"".join(draft.body(len(HEAD))) == b"y" * size
        draft.discard()
        draft.discard()


async def test_the_head_may_be_another_than_what_came(intake: Intake, tmp_path: Path) -> None:
    for body in (b"text\r\n", b"z" * 300_000):
        draft = intake.draft()
        draft.write(HEAD + body)
        envelope = message(mailbox(1))
        await intake.accept(envelope, b"Received: here\r\n" + HEAD, draft, len(HEAD))
        assert stored(tmp_path)[envelope.id] == b"Received: here\r\n" + HEAD + body


async def test_nothing_is_left_of_a_discarded_draft(intake: Intake, tmp_path: Path) -> None:
    draft = intake.draft()
    draft.write(b"x" * 500_000)
    assert list(tmp_path.glob("mta/*.draft"))
    draft.discard()
    assert not list(tmp_path.glob("mta/*.draft"))
    assert stored(tmp_path) == {}


async def test_sessions_that_wait_together_are_all_accepted(intake: Intake, tmp_path: Path) -> None:
    put_all = (put(intake, message(mailbox(1), world("b@b.example")), HEAD, b"%d" % n) for n in range(300))
    identities = await asyncio.gather(*put_all)
    assert set(stored(tmp_path)) == set(identities)


async def test_an_id_that_is_there_is_accepted_and_not_stored_again(intake: Intake, tmp_path: Path) -> None:
    envelope = message(mailbox(1))
    await put(intake, envelope, HEAD, b"first")
    await put(intake, envelope, HEAD, b"second")
    assert stored(tmp_path) == {envelope.id: HEAD + b"first"}


async def test_a_session_that_goes_away_does_not_take_its_message_along(
    intake: Intake, tmp_path: Path
) -> None:
    tasks = [asyncio.ensure_future(put(intake, message(mailbox(1)), HEAD, b"x")) for _ in range(20)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    accepted = {result for result in results if isinstance(result, str)}
    assert len(accepted) == 19
    assert accepted <= set(stored(tmp_path))


async def test_files_are_shared_with_the_group(intake: Intake, tmp_path: Path) -> None:
    await put(intake, message(mailbox(1)), HEAD, b"x" * 300_000)
    modes = {path.suffix: path.stat().st_mode & 0o7777 for path in tmp_path.glob("mta/*")}
    assert modes[".db"] == modes[".db-wal"] == modes[".db-shm"] == modes[".body"] == 0o660
    assert tmp_path.joinpath("mta").stat().st_mode & 0o7777 == 0o2770
    with closing(sqlite3.connect(next(tmp_path.glob("mta/*.db")))) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
