"""R5: the relay on a disk without room sends what it has, and the queue becomes empty."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...full_disk import fill
from ...relay_site import Dns, Exchange, Site, message, put, world

HEAD = b"From: <ada@alpha.example>\r\nSubject: hello\r\n\r\n"
ZONE = {("beta.example", "MX"): ["10 mx.beta.example."], ("mx.beta.example", "A"): ["127.0.0.1"]}
MESSAGES = 120


@pytest.fixture
def disk() -> Iterator[Path]:
    """A file system of 64 MiB with a short path."""
    with tempfile.TemporaryDirectory(prefix="pr", dir="/var/tmp") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.timeout(400)
async def test_r5_the_queue_on_a_full_disk_is_sent_and_becomes_empty(disk: Path) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Dns(ZONE), ("127.0.0.1", 0))
    exchange = Exchange()
    await exchange.start()
    exchange.release.clear()
    resolver = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    site = Site(disk, smtp_port=exchange.port, resolver=resolver, retry_minimum=1.0, retry_maximum=2.0)
    spool = site.spool()
    try:
        site.start("relay")
        await site.until((disk / "spool/relay/relay.reserve").exists)
        for number in range(MESSAGES):
            body = b"A line of text.\r\n" * (20_000 if number % 12 == 0 else 100)
            envelope = message(world(f"p{number}@beta.example"), size=len(HEAD + body))
            await put(spool, envelope, HEAD, body)
        fill(disk)
        with pytest.raises(OSError, match="No space left"):
            (disk / "more").write_bytes(b"x" * 4096)
        exchange.release.set()
        await site.until(lambda: site.queued() == 0, seconds=180)
        assert len(exchange.taken) == MESSAGES
        assert list(disk.glob("spool/mta/*.body")) == []
        os.unlink(disk / "ballast")
        await site.until((disk / "spool/relay/relay.reserve").exists)
        assert "Traceback" not in site.log("relay")
    finally:
        exchange.release.set()
        await asyncio.to_thread(site.stop)
        await spool.close()
        await exchange.stop()
        transport.close()
