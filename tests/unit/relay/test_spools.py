"""A spool is worked off whatever happens in one of its turns."""

import asyncio
from pathlib import Path

from postroom.queue.sqlite.reader import Wanted
from postroom.queue.sqlite.rows import Claim
from postroom.queue.sqlite.spool import Spool
from postroom.relay.spools import Places, Spools
from postroom.runtime.log import Log

from ...relay_site import CLOCK, fail, mailbox, message, put


async def test_a_fault_of_ours_in_one_turn_ends_no_spool(tmp_path: Path) -> None:
    (tmp_path / "relay").mkdir()
    spool = Spool(str(tmp_path / "mta"), 1, CLOCK, fail, run_directory=str(tmp_path))
    spool.open()
    taken: asyncio.Queue[Claim] = asyncio.Queue()

    def submit(claim: Claim) -> bool:
        taken.put_nowait(claim)
        if taken.qsize() == 1 and claim.facts.id == first:
            raise KeyError("x")
        return True

    places = Places([str(tmp_path / "mta")], str(tmp_path / "relay"), str(tmp_path), "relay-1", 3600.0)
    spools = Spools(places, CLOCK, Log("relay"), submit, lambda: Wanted(10))
    first = await put(spool, message(mailbox(1)), b"Subject: one\r\n\r\n", b"")
    await spools.start()
    async with asyncio.timeout(60):
        assert (await taken.get()).facts.id == first
        second = await put(spool, message(mailbox(2)), b"Subject: two\r\n\r\n", b"")
        assert (await taken.get()).facts.id == second
        await spools.stop()
    await spool.close()
