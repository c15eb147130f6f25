"""A message that is sent again, whichever worker gets it and whatever has become of the first copy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from postroom.contracts.outbox import Outcome, Wanted
from postroom.contracts.queue import Origin, QueuedMessage, QueuedRecipient
from postroom.contracts.queueadmin import Selection
from postroom.queue.sqlite import admin, schema, settling
from postroom.queue.sqlite.lifecycle import Spool
from postroom.queue.sqlite.reader import SpoolReader

from ....relay_site import CLOCK, fail, mailbox, message, world

HEAD = b"Subject: x\r\n\r\n"
NOW = 2_000_000_000.0
LARGE = b"x" * 300_000
PERSON = mailbox(1)


@pytest.fixture
async def spools(tmp_path: Path) -> AsyncIterator[tuple[Spool, Spool]]:
    async with AsyncExitStack() as stack:
        found = []
        for worker in (1, 2):
            spool = Spool(str(tmp_path / "mta"), worker, CLOCK, fail, run_directory=str(tmp_path))
            spool.open()
            stack.push_async_callback(spool.close)
            found.append(spool)
        yield found[0], found[1]


def inbound(*recipients: QueuedRecipient) -> QueuedMessage:
    return message(*(recipients or (PERSON,)), origin=Origin.INBOUND, repeatable=True)


async def stored(spool: Spool, envelope: QueuedMessage, body: bytes = b"x") -> bool:
    draft = spool.draft()
    draft.write(HEAD + body)
    return await spool.accept(envelope, HEAD, draft, len(HEAD))


def queued(folder: Path) -> int:
    return len(list(admin.entries(admin.spool_files(str(folder)), Selection())))


def settle_all(spool: Spool, *, left: bool, now: float = NOW) -> None:
    """The relay is done with everything."""
    relay = SpoolReader(spool.path, "relay")
    claims = relay.turnover([], Wanted(1000), now, now + 60)
    outcomes = [
        (claim.handle.seq, Outcome(row.number, None, left=left))
        for claim in claims
        for row in claim.recipients
    ]
    relay.turnover(outcomes, Wanted(0), now, now + 60)
    relay.forget(now)
    relay.close()


async def test_while_the_first_copy_is_queued(spools: tuple[Spool, Spool], tmp_path: Path) -> None:
    envelope = inbound()
    assert await stored(spools[0], envelope, LARGE)
    assert not await stored(spools[0], envelope, LARGE)
    assert not await stored(spools[1], envelope, LARGE)
    assert queued(tmp_path) == 1
    (entry,) = admin.entries([spools[0].path], Selection())
    assert b"".join(admin.content(entry).chunks()) == HEAD + LARGE
    assert len(list(tmp_path.glob("mta/*.body"))) == 1


async def test_one_that_comes_again_spoils_no_other_of_its_commit(
    spools: tuple[Spool, Spool], tmp_path: Path
) -> None:
    old, new = inbound(), inbound()
    await stored(spools[0], old)
    several = [stored(spools[0], one, LARGE) for one in (inbound(), old, new, new, inbound())]
    results = await asyncio.gather(*several)
    assert [results[0], results[1], results[4]] == [True, False, True]
    assert sorted(results[2:4]) == [False, True]
    assert queued(tmp_path) == 4
    assert len(list(tmp_path.glob("mta/*.body"))) == 3


async def test_what_has_left_this_host_does_not_go_again(spools: tuple[Spool, Spool], tmp_path: Path) -> None:
    envelope = inbound(world("b@b.example"))
    assert await stored(spools[0], envelope)
    settle_all(spools[0], left=True)
    assert queued(tmp_path) == 0
    assert not await stored(spools[0], envelope, LARGE)
    assert not await stored(spools[1], envelope, LARGE)
    assert queued(tmp_path) == 0
    assert list(tmp_path.glob("mta/*.body")) == []


async def test_what_a_mailbox_has_is_left_to_the_mailbox(spools: tuple[Spool, Spool]) -> None:
    envelope = inbound()
    assert await stored(spools[0], envelope)
    settle_all(spools[0], left=False)
    assert await stored(spools[1], envelope)


async def test_only_what_came_from_other_servers_is_remembered(spools: tuple[Spool, Spool]) -> None:
    submitted = message(world("b@b.example"), repeatable=True)
    assert await stored(spools[0], submitted)
    settle_all(spools[0], left=True)
    assert await stored(spools[0], submitted)


async def test_memory_is_bounded(spools: tuple[Spool, Spool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "REMEMBERED", 3)
    envelopes = [inbound(world("b@b.example")) for _ in range(5)]
    for envelope in envelopes:
        await stored(spools[0], envelope)
        settle_all(spools[0], left=True)
    assert [await stored(spools[0], one) for one in envelopes] == [True, True, False, False, False]
    settle_all(spools[0], left=False, now=NOW + settling.REMEMBERED_FOR + 1)
    assert all([await stored(spools[0], one) for one in envelopes[2:]])


async def test_a_sibling_that_cannot_be_read_stops_nobody(
    spools: tuple[Spool, Spool], tmp_path: Path
) -> None:
    (tmp_path / "mta" / "mta-9.db").write_bytes(b"no spool at all")
    (tmp_path / "mta" / "mta-8.db").touch()
    assert await stored(spools[0], inbound())


async def test_a_spool_of_the_first_release_is_completed(spools: tuple[Spool, Spool]) -> None:
    old = spools[0].path.replace("mta-1", "mta-0")
    schema.create(old)
    database = schema.connect(old, durable=True)
    database.execute("DROP TABLE finished")
    database.close()
    assert await stored(spools[0], inbound())  # beside it
    SpoolReader(old, "relay").forget(NOW)
