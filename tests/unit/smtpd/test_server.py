"""ConnectionLimits, deadlines, drain."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from postroom.msa.config import MsaConfig
from postroom.runtime.config import ConfigError, load

from ...smtp_site import Dialog, Site

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


@pytest.mark.settings(max_connections=2)
async def test_a_silent_client_has_a_minute_under_pressure(site: Site) -> None:
    client, server = await site.greeted(), site.servers["smtp"]
    server.look_after(server.loop.time() + 59)
    assert (await client.ask("NOOP")).startswith("250 ")
    server.look_after(server.loop.time() + 61)
    assert [one[:9] for one in await client.replies()] == ["421 4.4.2"]


@pytest.mark.parametrize(
    ("alive", "over"),
    [
        pytest.param(299, 301, id="room"),
        pytest.param(59, 61, id="pressure", marks=pytest.mark.settings(max_connections=2)),
    ],
)
async def test_x05_single_octets_win_no_time(site: Site, alive: float, over: float) -> None:
    client, server = await site.greeted(), site.servers["smtp"]
    (session,) = server.sessions
    began = server.loop.time()
    for octet in b"NOOP x":
        client.send(bytes([octet]))
        await client.writer.drain()
        await asyncio.sleep(0.001)
    while len(session.unread) < 6:
        await asyncio.sleep(0.001)
    server.look_after(began + alive)
    assert (await client.ask("")).startswith("250 ")
    for octet in b"NOOP x":
        client.send(bytes([octet]))
    server.look_after(server.loop.time() + over)
    assert [one[:9] for one in await client.replies()] == ["421 4.4.2"]


async def in_data(site: Site, client: Dialog, octets: bytes) -> Any:
    """The session of a client that has sent so much of a message."""
    await client.ask("MAIL FROM:<ada@alpha.example>")
    await client.ask("RCPT TO:<ada@alpha.example>")
    await client.ask("DATA")
    client.send(octets)
    await client.writer.drain()
    (session,) = [one for server in site.servers.values() for one in server.sessions]
    async with asyncio.timeout(60):
        while session._receiving is None or session._receiving.received < len(octets):
            await asyncio.sleep(0.001)
    return session


@pytest.mark.parametrize("octets", [b"", b"From: a\r\n", MESSAGE * 100])
async def test_a_pause_of_minutes_in_data_offends_nobody(site: Site, octets: bytes) -> None:
    """RFC 5321 section 4.5.3.2"""
    client, server = await site.greeted(), site.servers["smtp"]
    session = await in_data(site, client, octets)
    now = server.loop.time()
    for seconds in range(2, 598, 2):
        server.look_after(now + seconds)
    assert server.sessions == {session}
    client.send(MESSAGE + b".\r\n")
    assert (await client.reply()).startswith("250 ")
    assert len(site.queued()) == 1


async def test_silence_in_data_ends_at_last(site: Site) -> None:
    client, server = await site.greeted(), site.servers["smtp"]
    await in_data(site, client, b"From: a\r\n")
    now = server.loop.time()
    for seconds in range(2, 606, 2):
        server.look_after(now + seconds)
    assert [one[:9] for one in await client.replies()] == ["421 4.4.2"]
    assert site.queued() == []


async def test_a_slow_sender_is_waited_for(site: Site) -> None:
    """Far below 500 octets a second for an hour, and never silent for long."""
    client, server = await site.greeted(), site.servers["smtp"]
    session = await in_data(site, client, MESSAGE)
    now = server.loop.time()
    for minute in range(1, 61):
        received = session._receiving.received
        client.send(b"x\r\n")
        while session._receiving.received == received:
            await asyncio.sleep(0.001)
        server.look_after(now + 60 * minute)
    client.send(b".\r\n")
    assert (await client.reply()).startswith("250 ")


@pytest.mark.settings(max_connections=2)
@pytest.mark.parametrize("octets", [b"", b"From: a\r\n", MESSAGE * 100])
async def test_x05_slow_data_is_ended_under_pressure(site: Site, octets: bytes) -> None:
    client, server = await site.greeted(), site.servers["smtp"]
    await in_data(site, client, octets)
    now = server.loop.time()
    server.look_after(now + 29)
    assert server.sessions
    server.look_after(now + 60)
    server.look_after(now + 120)
    assert [one[:9] for one in await client.replies()] == ["421 4.4.2"]
    assert site.queued() == []


@pytest.mark.settings(max_connections=4)
async def test_x05_pressure_that_comes_later_ends_a_pause_within_a_window(site: Site) -> None:
    client, server = await site.greeted(), site.servers["smtp"]
    await in_data(site, client, b"From: a\r\n")
    now = server.loop.time()
    for seconds in range(2, 200, 2):
        server.look_after(now + seconds)
    assert len(server.sessions) == 1
    other = await site.greeted()
    for seconds in range(200, 232, 2):
        server.look_after(now + seconds)
    assert [one[:9] for one in await client.replies()] == ["421 4.4.2"]
    other.close()


@pytest.mark.settings(max_connections=2, long_data_after=100, minimum_rate=1, long_data_rate=10)
async def test_x05_a_long_transfer_needs_more_under_pressure(site: Site) -> None:
    client, server = await site.greeted(), site.servers["smtp"]
    session = await in_data(site, client, b"x" * 500)
    now = session._receiving.began
    server.look_after(now + 149)
    assert server.sessions
    server.look_after(now + 151)
    assert [one[:9] for one in await client.replies()] == ["421 4.4.2"]


@pytest.mark.settings(max_connections=2)
async def test_who_has_logged_in_feels_pressure_later(site: Site) -> None:
    client, server = await site.logged_in(), site.servers["submissions"]
    session = await in_data(site, client, b"From: a\r\n")
    now = server.loop.time()
    for seconds in range(2, 300, 2):
        server.look_after(now + seconds)
    assert server.sessions == {session}
    await (await site.connect("submissions", tls=True)).reply()
    assert server.share() == 1.0
    server.look_after(now + 331)
    assert [one[:9] for one in await client.replies()] == ["421 4.4.2"]


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


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("pressure_share = 1.5", "pressure_share"),
        ("pressure_share_login = -0.1", "pressure_share_login"),
        ("rate_window = 0", "rate_window"),
        ("long_data_rate = -1", "long_data_rate"),
        ('own_addresses = ["localhost"]', "own_addresses"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path: Path, line: str, field: str) -> None:
    path = tmp_path / "msa.toml"
    path.write_text(f'host_name = "mail.alpha.example"\n{line}\n')
    with pytest.raises(ConfigError, match=f"{field} = .* is not usable: give "):
        load(path, MsaConfig)


@pytest.mark.parametrize("name", ["max_errors", "max_connections", "command_timeout", "max_recipients_local"])
def test_limits_that_would_stop_all_mail_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "msa.toml"
    path.write_text(f'host_name = "mail.alpha.example"\n{name} = 0\n')
    with pytest.raises(ConfigError, match=f"{name} = 0.* is not usable: give a positive number"):
        load(path, MsaConfig)
