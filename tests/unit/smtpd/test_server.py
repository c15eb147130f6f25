"""Caps, deadlines, drain."""

import asyncio
from pathlib import Path

import pytest
from postroom.msa.config import MsaConfig
from postroom.runtime.config import ConfigError, load

from ...smtp_site import Site

MESSAGE = b"From: x@outside.example\r\n\r\nHello\r\n"


@pytest.mark.settings(max_connections_per_client=2)
async def test_connections_of_one_client(site: Site) -> None:
    first, _ = await site.greeted(), await site.greeted()
    third = await site.connect()
    assert [one[:9] for one in await third.replies()] == ["421 4.7.0"]
    await first.ask("QUIT")
    await first.reader.read()
    assert (await (await site.connect()).reply()).startswith("220 ")


@pytest.mark.settings(max_connections_per_client=2, trusted_clients=["127.0.0.0/8"])
async def test_trusted_clients_are_not_capped(site: Site) -> None:
    for _ in range(4):
        await site.greeted()


@pytest.mark.settings(max_connections=2)
async def test_connections_in_all(site: Site) -> None:
    await site.greeted()
    await site.greeted()
    assert [one[:9] for one in await (await site.connect()).replies()] == ["421 4.3.2"]


async def test_silent_client_is_ended(site: Site) -> None:
    client, server = await site.greeted(), site.servers["smtp"]
    server.look_after(server.loop.time() + 200)
    assert (await client.ask("NOOP")).startswith("250 ")
    server.look_after(server.loop.time() + 301)
    assert [one[:9] for one in await client.replies()] == ["421 4.4.2"]


async def test_unfinished_line_has_a_minute(site: Site) -> None:
    client, server = await site.greeted(), site.servers["smtp"]
    for octet in b"NOOP x":
        client.send(bytes([octet]))
        await client.writer.drain()
        await asyncio.sleep(0.001)
    server.look_after(server.loop.time() + 61)
    assert [one[:9] for one in await client.replies()] == ["421 4.4.2"]


@pytest.mark.parametrize("octets", [b"", b"From: a\r\n", MESSAGE * 100])
async def test_slow_data_is_ended(site: Site, octets: bytes) -> None:
    client, server = await site.greeted(), site.servers["smtp"]
    for line in ("MAIL FROM:<a@b.example>", "RCPT TO:<ada@alpha.example>", "DATA"):
        await client.ask(line)
    client.send(octets)
    await client.writer.drain()
    (session,) = server.sessions
    while session._receiving is None or session._receiving.received < len(octets):
        await asyncio.sleep(0.001)
    now = server.loop.time()
    server.look_after(now + 29)
    assert server.sessions
    server.look_after(now + 60)
    server.look_after(now + 120)
    assert [one[:9] for one in await client.replies()] == ["421 4.4.2"]
    assert site.queued() == []


async def test_drain_finishes_the_transaction(site: Site) -> None:
    idle, busy = await site.greeted(), await site.greeted()
    await busy.ask("MAIL FROM:<a@b.example>")
    await busy.ask("RCPT TO:<ada@alpha.example>")
    draining = asyncio.ensure_future(site.servers["smtp"].drain(10))
    assert [one[:9] for one in await idle.replies()] == ["421 4.3.2"]
    assert (await busy.ask("DATA")).startswith("354 ")
    busy.send(MESSAGE + b".\r\n")
    assert [one[:9] for one in await busy.replies()] == ["250 2.0.0", "421 4.3.2"]
    await draining
    with pytest.raises(ConnectionError):
        await site.connect()


async def test_drain_is_bounded(site: Site) -> None:
    busy = await site.greeted()
    await busy.ask("MAIL FROM:<a@b.example>")
    await site.servers["smtp"].drain(0.01)
    assert not site.servers["smtp"].sessions


async def test_internal_error_is_one_line_and_421(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await site.greeted()

    async def broken(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(site.servers["smtp"].reception, "sender", broken)
    client.send(b"MAIL FROM:<a@b.example>\r\n")
    assert [one[:9] for one in await client.replies()] == ["421 4.3.0"]
    assert len(site.log.errors) == 1


@pytest.mark.parametrize("name", ["max_errors", "max_connections", "command_timeout", "max_recipients_local"])
def test_limits_that_would_stop_all_mail_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "msa.toml"
    path.write_text(f'host_name = "mail.alpha.example"\n{name} = 0\n')
    with pytest.raises(ConfigError, match=f"{name} = 0.* is not usable: give a positive number"):
        load(path, MsaConfig)
