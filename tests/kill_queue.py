"""Killing the relay and the mda at random moments while messages are accepted, and counting what arrives."""

import asyncio
import random
import tempfile
from pathlib import Path

from .relay_site import BODY, Site, mailbox, message, put

HEAD = b"From: <ada@alpha.example>\r\nSubject: killed\r\nMessage-ID: <%d@alpha.example>\r\n\r\n"


async def kill_and_count(kills: int, messages: int, seed: int) -> None:
    """Every acknowledged message arrives, none twice, whatever dies."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="pr", dir="/var/tmp") as folder:
        site = Site(Path(folder), people=5, retry_minimum=1.0, retry_maximum=2.0)
        spool = site.spool()
        try:
            for agent in ("mda", "relay"):
                site.start(agent)
            acknowledged: set[str] = set()
            feeding = asyncio.ensure_future(_feed(spool, messages, acknowledged, chance))
            for _ in range(kills):
                target = min(messages, len(acknowledged) + chance.randrange(1, max(2, messages // kills)))
                await site.until(lambda target=target: len(acknowledged) >= target)  # type: ignore[misc]
                await asyncio.sleep(chance.random() * 0.1)
                agent = chance.choice(("relay", "relay", "mda"))
                site.kill(agent)
                site.start(agent)
            await feeding
            await site.until(lambda: site.queued() == 0, 120)
            count, identities = site.delivered()
            assert acknowledged == set(identities)
            assert count == len(identities) == messages
        finally:
            site.stop()
            await spool.close()


async def _feed(spool, messages: int, acknowledged: set[str], chance: random.Random) -> None:  # type: ignore[no-untyped-def]
    numbers = iter(range(messages))

    async def session() -> None:
        for number in numbers:
            head = HEAD % number
            body = BODY * chance.choice((10, 50, 3000))
            envelope = message(mailbox(number % 5), size=len(head) + len(body))
            acknowledged.add(await put(spool, envelope, head, body))

    await asyncio.gather(*(session() for _ in range(8)))
