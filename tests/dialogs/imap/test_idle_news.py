"""News that come while the agent does not read its socket: more of them than the kernel keeps."""

import asyncio
from pathlib import Path

from ...idlers import Crowd


async def test_every_session_hears_of_a_burst(tmp_path: Path) -> None:
    crowd = Crowd(tmp_path, accounts=40, sessions=80)
    await crowd.start()
    crowd.deliver_at_once()  # blocks the event loop: 40 datagrams wait for a queue of about ten
    async with asyncio.timeout(60):  # sessions look by themselves after 110 s
        await asyncio.gather(*(one.news.wait() for one in crowd.idlers))
    assert all(len(one.heard) == 1 for one in crowd.idlers)
    await crowd.stop()
