"""A partition of the queue is worked on, whatever happens in one round."""

import asyncio
from pathlib import Path

from postroom.contracts.outbox import Claim, Outcome, Wanted
from postroom.contracts.queueadmin import Selection
from postroom.queue.outbox import open_outbox
from postroom.queue.sqlite import admin
from postroom.queue.sqlite.lifecycle import Spool
from postroom.relay.feeding import LOOK, Feeder
from postroom.runtime.log import Log

from ...relay_site import CLOCK, fail, mailbox, message, put


async def test_a_fault_of_ours_in_one_turn_ends_no_spool(tmp_path: Path) -> None:
    (tmp_path / "relay").mkdir()
    spool = Spool(str(tmp_path / "mta"), 1, CLOCK, fail, run_directory=str(tmp_path))
    spool.open()
    taken: asyncio.Queue[Claim] = asyncio.Queue()

    def submit(claim: Claim) -> bool:
        taken.put_nowait(claim)
        if taken.qsize() == 1 and claim.message.id == first:
            raise KeyError("x")
        return True

    folders = [str(tmp_path / "mta")], str(tmp_path / "relay"), str(tmp_path)
    outbox = open_outbox(*folders, "relay-1", 3600.0, clock=CLOCK, log=Log("relay"))
    feeder = Feeder(outbox, CLOCK, Log("relay"), submit, lambda: Wanted(10), lambda: False)
    first = await put(spool, message(mailbox(1)), b"Subject: one\r\n\r\n", b"")
    await feeder.start()
    async with asyncio.timeout(60):
        assert (await taken.get()).message.id == first
        second = await put(spool, message(mailbox(2)), b"Subject: two\r\n\r\n", b"")
        assert (await taken.get()).message.id == second
        await feeder.stop()
        await outbox.close()
    await spool.close()


async def test_an_end_with_outcomes_waits_for_nothing_else(tmp_path: Path) -> None:
    """What is known at the end is written down, and then the relay does not wait for news that cannot come."""
    (tmp_path / "relay").mkdir()
    spool = Spool(str(tmp_path / "mta"), 1, CLOCK, fail, run_directory=str(tmp_path))
    spool.open()
    await put(spool, message(mailbox(1)), b"Subject: x\r\n\r\n", b"")
    taken: asyncio.Queue[Claim] = asyncio.Queue()

    def submit(claim: Claim) -> bool:
        taken.put_nowait(claim)
        return True

    folders = [str(tmp_path / "mta")], str(tmp_path / "relay"), str(tmp_path)
    outbox = open_outbox(*folders, "relay-1", 3600.0, clock=CLOCK, log=Log("relay"))
    feeder = Feeder(outbox, CLOCK, Log("relay"), submit, lambda: Wanted(10), lambda: False)
    await feeder.start()
    outbox.settle(await taken.get(), [Outcome(0, None)])
    async with asyncio.timeout(LOOK - 1):
        await feeder.stop()
    await outbox.close()
    assert list(admin.entries([spool.path], Selection())) == []
    await spool.close()
