"""The relay as a process with two exchanges: who has the message is written down before the next one is asked."""

import asyncio
import signal
import tempfile
from pathlib import Path

from ...relay_site import BODY, Dns, Exchange, Site, message, put, world

HEAD = b"From: <ada@alpha.example>\r\nSubject: hello\r\n\r\n"
ZONE = {
    ("two.example", "MX"): ["10 mx1.two.example.", "20 mx2.two.example."],
    ("mx1.two.example", "A"): ["127.0.0.1"],
    ("mx2.two.example", "A"): ["127.0.0.1"],
}


async def test_a_crash_at_the_second_exchange_sends_nobody_a_second_copy() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Dns(ZONE), ("127.0.0.1", 0))
    first, second = Exchange(), Exchange()
    for exchange in (first, second):
        await exchange.start()
    second.later = b"<never@"  # it takes whom the first one puts off
    second.release.clear()
    with tempfile.TemporaryDirectory(prefix="pr", dir="/var/tmp") as folder:
        site = Site(
            Path(folder), mx_ports={"mx1.two.example": first.port, "mx2.two.example": second.port},
            resolver=f"127.0.0.1:{transport.get_extra_info('sockname')[1]}",
        )  # fmt: skip
        spool = site.spool()
        try:
            site.start("relay")
            to = (world("bob@two.example"), world("later@two.example"))
            await put(spool, message(*to, size=len(HEAD + BODY)), HEAD, BODY)
            await site.until(lambda: second.connections == 1 and site.queued() == 1)
            site.kill("relay", signal.SIGKILL)
            second.release.set()  # nobody hears that answer any more
            site.start("relay")
            await site.until(lambda: site.queued() == 0)
            assert len(first.taken) == 1
            assert second.taken
            log = site.log("relay")
            assert "to=<later@two.example>, relay=mx2.two.example[127.0.0.1]" in log
        finally:
            await asyncio.to_thread(site.stop)
            await spool.close()
            for exchange in (first, second):
                await exchange.stop()
            transport.close()
