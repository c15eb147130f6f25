"""TLS on the server's side, octet by octet: what comes out is what went in, and little is kept meanwhile."""

import asyncio
import random
import ssl

import pytest
from postroom.runtime import plain_transport
from postroom.runtime.connections import Connection, ConnectionLimits, Listener
from postroom.runtime.log import Log
from postroom.runtime.plain_transport import LARGE, SMALL
from postroom.runtime.tls_transport import TlsTransport

from . import tls_site
from .test_connections import echo
from .tls_site import (
    Serve,
    both_loops,
    connect,
    greeted,
    until,
)

pytestmark = both_loops
event_loop_policy, serve, store = tls_site.event_loop_policy, tls_site.serve, tls_site.store


async def test_what_comes_with_the_end_of_the_handshake_is_heard(serve: Serve) -> None:
    client = await connect(await serve())
    last = await client.shake()
    client.send(last + client.sealed(b"at once"))
    assert await client.read(15 + 7) == b"hello TLSv1.3\r\nat once"


@pytest.mark.parametrize("highest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("size", [1, 21, 1000, SMALL, SMALL + 1, 16_384 + 300, LARGE, 300_000])
async def test_what_goes_in_comes_out(serve: Serve, size: int, bulk: bool, highest: ssl.TLSVersion) -> None:
    async def handler(connection: Connection) -> None:
        if bulk:
            connection.trust()
        await echo(connection)

    client = await greeted(await serve(handler), highest)
    content = random.Random(size).randbytes(size * 3 if size > 1 else 700)
    wire = client.sealed(content)

    async def send() -> None:
        for start in range(0, len(wire), size):
            client.send(wire[start : start + size])
            await client.writer.drain()
            if size == 1:
                await asyncio.sleep(0)

    sending = asyncio.ensure_future(send())
    assert await client.read(len(content)) == content
    await sending


@pytest.mark.parametrize(("bulk", "limit"), [(False, 3 * SMALL), (True, 3 * LARGE)])
async def test_a_peer_who_is_not_listened_to_has_to_wait(serve: Serve, bulk: bool, limit: int) -> None:
    made: list[Connection] = []
    go_on, heard = asyncio.Event(), bytearray()

    async def handler(connection: Connection) -> None:
        if bulk:
            connection.trust()
        made.append(connection)
        connection.write(b"hello TLSv1.3\r\n")
        await go_on.wait()
        while octets := await connection.read():
            heard.extend(octets)

    client = await greeted(await serve(handler))
    content = random.Random(1).randbytes(8_000_000)
    client.send(client.sealed(content) + client.farewell())
    (connection,) = made
    await until(lambda: connection._paused)
    below = connection._transport
    assert isinstance(below, TlsTransport)
    kept: list[int] = []
    for _ in range(50):
        await asyncio.sleep(0.002)
        kept.append(len(connection._unread) + len(below._undeciphered) + _pending(below))
    assert max(kept) <= limit
    go_on.set()
    await until(lambda: len(heard) == len(content))
    assert heard == content


def _pending(transport: TlsTransport) -> int:
    channel = transport._channel
    return channel.incoming.pending + channel.outgoing.pending if channel else 0


async def test_what_was_held_back_comes_before_the_end(serve: Serve) -> None:
    go_on, heard = asyncio.Event(), bytearray()

    async def handler(connection: Connection) -> None:
        connection.write(b"hello TLSv1.3\r\n")
        await go_on.wait()
        while octets := await connection.read():
            heard.extend(octets)

    server = await serve(handler)
    client = await greeted(server)
    client.send(client.sealed(b"x" * 10_000))  # in one record, more than is read at once
    client.writer.write_eof()
    await asyncio.sleep(0.05)
    go_on.set()
    await until(lambda: not server.listener.counter.total)
    assert heard == b"x" * 10_000


async def test_a_slow_reader_gets_everything(serve: Serve) -> None:
    content = random.Random(2).randbytes(3_000_000)

    async def handler(connection: Connection) -> None:
        connection.write(b"hello TLSv1.3\r\n")
        for start in range(0, len(content), 100_000):
            connection.write(content[start : start + 100_000])
            await connection.drain()

    client = await greeted(await serve(handler))
    heard = bytearray()
    while octets := await client.read(200_000):
        heard += octets
    assert heard == content


async def test_one_who_takes_nothing_is_not_written_to_without_end(serve: Serve) -> None:
    sizes: list[int] = []
    over = asyncio.Event()

    async def handler(connection: Connection) -> None:
        connection.timeout = 0.1
        try:
            while True:
                connection.write(b"x" * 1000)
                assert connection._transport
                sizes.append(connection._transport.get_write_buffer_size())
                await connection.drain()
        finally:
            over.set()

    client = await connect(await serve(handler))
    client.send(await client.shake())
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.wait_for(over.wait(), 30)
    assert max(sizes) <= plain_transport.HIGH_WATER + 2000


def test_connections_read_into_the_same_buffers() -> None:
    async def windows() -> tuple[memoryview, memoryview]:
        log, limits = Log("test"), ConnectionLimits(total=1, per_client=1)
        stranger, friend = (Connection("192.0.2.1", Listener(log, echo, limits)) for _ in range(2))
        friend.trust()
        return tuple(plain_transport.PlainTransport(one).get_buffer(-1) for one in (stranger, friend))  # type: ignore[return-value]

    small, large = asyncio.run(windows())
    assert (len(small), len(large)) == (SMALL, LARGE)
    assert small.obj is large.obj
