"""X5: what a stranger can make us keep is bounded, and others go on undisturbed."""

import asyncio
import contextlib
import socket

import pytest
from postroom.smtpd.stream import HIGH_WATER, OUTPUT_WATER

from ...smtp_site import Site


async def test_endless_lines_keep_no_more_than_the_buffer(site: Site) -> None:
    clients = [await site.greeted() for _ in range(15)]

    async def flood(client) -> None:
        for _ in range(20):
            client.send(b"x" * 65536)
            await client.writer.drain()

    await asyncio.gather(*(flood(client) for client in clients))
    assert max(len(session.unread) for session in site.servers["smtp"].sessions) <= 2 * HIGH_WATER
    other = await site.greeted()
    assert (await other.ask("NOOP")).startswith("250 ")
    for client in clients:
        client.send(b"\r\n")
        assert (await client.reply()).startswith("500 5.5.6")


@pytest.mark.settings(max_commands=10**9, max_connections=2)
async def test_a_client_that_does_not_read_is_not_answered_without_end(site: Site) -> None:
    client = await site.greeted()
    (session,) = site.servers["smtp"].sessions
    transport = client.writer.transport
    transport.pause_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(60):
        while session._drained is None:
            if transport.get_write_buffer_size() < 1 << 20:
                client.send(b"EHLO x\r\n" * 2000)
            await asyncio.sleep(0)
    assert len(session.unread) <= 2 * HIGH_WATER
    assert session._pending <= OUTPUT_WATER + 1000
    assert session.transport.get_write_buffer_size() <= 2 * OUTPUT_WATER + 2000
    site.servers["smtp"].look_after(site.servers["smtp"].loop.time() + 61)
    transport.resume_reading()  # type: ignore[attr-defined]
    with contextlib.suppress(ConnectionError):
        while await client.reader.read(65536):
            pass
    assert not site.servers["smtp"].sessions


@pytest.mark.settings(max_commands=10**9)
async def test_a_client_that_does_not_take_our_last_words_is_cut_off(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postroom.smtpd.session.LINGER", 0.2)
    client = await site.greeted()
    (session,) = site.servers["smtp"].sessions
    session.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(60):
        while not session.transport.get_write_buffer_size():
            client.send(b"EHLO x\r\n" * 10)
            await asyncio.sleep(0)
        client.send(b"QUIT\r\n")
        while site.servers["smtp"].sessions:
            await asyncio.sleep(0.01)
        assert session.transport.get_write_buffer_size()
        while not session.gone:
            await asyncio.sleep(0.01)
