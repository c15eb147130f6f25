"""How TLS connections end: farewells, faults, time that runs out, and peers who take nothing."""

import asyncio
import contextlib
import socket
import ssl

import pytest
from postroom.runtime import tls_transport
from postroom.runtime.connections import Connection, ConnectionLimits, Listener
from postroom.runtime.log import Log
from postroom.runtime.plain_transport import PlainTransport
from postroom.runtime.tls import TlsStore
from postroom.runtime.tls_transport import TlsTransport, begin_tls

from . import tls_site
from .test_connections import echo
from .tls_site import (
    NAME,
    Serve,
    both_loops,
    connect,
    greeted,
    until,
)

pytestmark = both_loops
event_loop_policy, serve, store = tls_site.event_loop_policy, tls_site.serve, tls_site.store


@pytest.mark.parametrize("polite", [True, False])
async def test_a_peer_who_leaves_is_answered_with_the_end(serve: Serve, polite: bool) -> None:
    server = await serve()
    client = await greeted(server)
    if polite:
        client.send(client.farewell())
    else:
        client.writer.write_eof()
    assert await client.read(1) == b""
    await client.hear()
    assert client.reader.at_eof()
    await until(lambda: not server.listener.counter.total)


async def test_last_words_reach_a_peer_who_goes_on_talking(serve: Serve) -> None:
    async def handler(connection: Connection) -> None:
        connection.write(b"hello TLSv1.3\r\n")
        await connection.read()
        connection.write(b"x" * 50_000 + b" bye")
        connection.close()
        connection.write(b"never said")

    client = await greeted(await serve(handler))
    for _ in range(20):
        client.send(client.sealed(b"more and more"))
        await asyncio.sleep(0.001)
    assert (await client.read(100_000))[-5:] == b"x bye"  # and then close_notify, else it would raise


async def test_a_peer_who_never_stops_is_cut_off(serve: Serve) -> None:
    async def handler(connection: Connection) -> None:
        connection.write(b"hello TLSv1.3\r\n")

    client = await greeted(await serve(handler))
    with pytest.raises(ConnectionError):
        async with asyncio.timeout(30):
            while True:
                client.send(b"x" * 65_536)
                await client.writer.drain()


async def test_a_peer_who_does_not_close_is_cut_off(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_transport, "SHUTDOWN_SECONDS", 0.05)
    lost = asyncio.Event()

    async def handler(connection: Connection) -> None:
        monkeypatch.setattr(connection, "connection_lost", lambda exc: lost.set())
        connection.write(b"hello TLSv1.3\r\n")

    await greeted(await serve(handler))
    await asyncio.wait_for(lost.wait(), 30)


@pytest.mark.parametrize("polite", [True, False])
async def test_a_peer_who_ends_it_and_takes_nothing_is_cut_off(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, polite: bool
) -> None:
    monkeypatch.setattr(tls_transport, "SHUTDOWN_SECONDS", 0.2)
    made: list[asyncio.Transport] = []

    async def handler(connection: Connection) -> None:
        transport = connection._transport
        assert transport
        connection.write(b"hello TLSv1.3\r\n")
        await connection.read()
        while not transport.get_write_buffer_size():
            connection.write(b"x" * 8000)
            await asyncio.sleep(0.002)
        made.append(transport)
        await connection.read()

    client = await greeted(await serve(handler))
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    client.send(client.sealed(b"go on"))
    await until(lambda: bool(made))
    client.send(client.farewell() if polite else b"\x17\x03\x03\x00\x05wrong")
    await until(lambda: not hasattr(made[0], "_receiver"))


async def test_nothing_of_tls_is_kept_while_a_peer_takes_its_time_to_close(serve: Serve) -> None:
    made: list[Connection] = []

    async def handler(connection: Connection) -> None:
        made.append(connection)
        connection.write(b"hello TLSv1.3\r\n")

    server = await serve(handler)
    await greeted(server)
    await until(lambda: not server.listener.counter.total)
    below = made[0]._transport
    assert isinstance(below, TlsTransport)
    assert below._channel is None
    assert below.is_closing()
    assert not below._transport.is_closing()


async def test_a_changed_octet_ends_it_with_an_alert(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    server = await serve()
    client = await greeted(server)
    wire = bytearray(client.sealed(b"pay ten"))
    wire[-1] ^= 1
    client.send(bytes(wire))
    with pytest.raises(ssl.SSLError, match="(?i)bad.record.mac"):
        await client.read(7)
    await until(lambda: not server.listener.counter.total)
    assert capsys.readouterr().err == ""


async def test_a_client_without_a_common_cipher_hears_why(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    server = await serve()
    client = await connect(server, ssl.TLSVersion.TLSv1_2)
    client.tls.context.set_ciphers("AES128-SHA")
    client.tls = client.tls.context.wrap_bio(client.incoming, client.outgoing, server_hostname=NAME)
    with pytest.raises(ssl.SSLError, match=r"(?i)alert.handshake.failure"):
        await client.shake()
    await until(lambda: not server.listener.counter.total)
    (said,) = capsys.readouterr().err.splitlines()
    assert "no shared cipher" in said


async def test_a_handshake_that_takes_too_long_is_one_line(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    server = await serve(limits=ConnectionLimits(total=10, per_client=10, handshake_timeout=0.05))
    client = await connect(server)
    client.send(b"\x16\x03\x01")
    with contextlib.suppress(ConnectionError):
        assert await client.reader.read() == b""
    await until(lambda: not server.listener.counter.total)
    (said,) = capsys.readouterr().err.splitlines()
    assert "timed out" in said


async def test_a_peer_who_leaves_in_the_handshake_is_one_line(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    server = await serve()
    client = await connect(server)
    client.send(b"\x16\x03\x01")
    client.writer.write_eof()
    assert await client.reader.read() == b""
    await until(lambda: not server.listener.counter.total)
    assert len(capsys.readouterr().err.splitlines()) == 1


async def test_a_peer_who_left_before_the_handshake_is_a_lost_connection(store: TlsStore) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    connection = Connection("192.0.2.1", Listener(Log("test"), echo, ConnectionLimits(1, 1)))
    transport, _ = await asyncio.get_running_loop().create_connection(
        lambda: PlainTransport(connection), sock=ours
    )
    transport.abort()
    await until(lambda: connection._eof)
    with pytest.raises(ConnectionResetError):
        await begin_tls(transport, connection, store.context(), 30)


async def test_a_conversation_that_fails_gets_nothing_more(serve: Serve) -> None:
    """Else a piece would be missing in the middle of what it hears."""
    made: list[Connection] = []

    async def handler(connection: Connection) -> None:
        made.append(connection)
        connection.write(b"hello TLSv1.3\r\n")
        await asyncio.sleep(60)

    client = await greeted(await serve(handler))
    client.send(client.sealed(b"x" * 100_000))
    (connection,) = made
    await until(lambda: connection._paused)
    transport = connection._transport
    assert transport
    heard: list[bytes] = []

    def fails(octets: bytes) -> None:
        heard.append(octets)
        raise MemoryError

    connection.data_received = fails  # type: ignore[method-assign]
    transport.resume_reading()
    await until(lambda: connection._eof)
    assert len(heard) == 1


async def test_an_agent_that_ends_leaves_no_handshake_behind(serve: Serve) -> None:
    server = await serve()
    client = await connect(server)
    client.send(b"\x16\x03\x01")
    await until(lambda: bool(server.listener.counter.total))
    await server.listener.wait_idle(0)
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(client.reader.read(), 30) == b""
