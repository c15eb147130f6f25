"""TLS on the server's side, octet by octet: what comes out is what went in, and little is kept meanwhile."""

import asyncio
import contextlib
import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trustme
import uvloop
from postroom.runtime import transports
from postroom.runtime.connections import Caps, Connection, Listener
from postroom.runtime.log import Log
from postroom.runtime.tls import TlsStore
from postroom.runtime.transports import LARGE, SMALL, Inlet, TlsTransport, begin_tls

from .test_connections import Server, echo

NAME = "alpha.example"
AUTHORITY = trustme.CA()
Serve = Callable[..., Awaitable[Server]]
pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy. fixture is deprecated")


@pytest.fixture(params=[asyncio.DefaultEventLoopPolicy, uvloop.EventLoopPolicy], ids=["asyncio", "uvloop"])
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    return request.param()


@pytest.fixture
def store(tmp_path: Path) -> TlsStore:
    folder = tmp_path / NAME
    folder.mkdir()
    issued = AUTHORITY.issue_cert(NAME)
    issued.private_key_pem.write_to_path(folder / "key.pem")
    for pem in issued.cert_chain_pems:
        pem.write_to_path(folder / "fullchain.pem", append=True)
    made = TlsStore(str(tmp_path))
    made.load()
    return made


@pytest.fixture
async def serve(store: TlsStore) -> AsyncIterator[Serve]:
    servers: list[Server] = []

    async def start(handler: Callable[[Connection], Awaitable[None]] = echo, **settings: object) -> Server:
        server = Server(handler, tls=store.context, **settings)
        servers.append(server)
        await server.listener.start([server.socket])
        return server

    yield start
    for server in servers:
        await server.listener.stop_accepting()
        await server.listener.wait_idle(0)
        server.socket.close()


class Client:
    """A TLS client whose octets can be looked at, held back and changed before they leave."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, highest: ssl.TLSVersion
    ) -> None:
        context = ssl.create_default_context()
        context.maximum_version = highest
        AUTHORITY.configure_trust(context)
        self.reader, self.writer = reader, writer
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=NAME)

    async def shake(self) -> bytes:
        """The handshake but for its last octets, which the server has to get."""
        while True:
            try:
                self.tls.do_handshake()
                return self.outgoing.read()
            except ssl.SSLWantReadError:
                self.send(self.outgoing.read())
                await self.hear()

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def hear(self) -> None:
        """What the server has sent."""
        octets = await asyncio.wait_for(self.reader.read(LARGE), 30)
        if octets:
            self.incoming.write(octets)
        else:
            self.incoming.write_eof()

    def sealed(self, octets: bytes) -> bytes:
        """As it goes over the wire."""
        rest = memoryview(octets)
        while rest:
            rest = rest[self.tls.write(rest) :]
        return self.outgoing.read()

    def farewell(self) -> bytes:
        """A close_notify."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self.outgoing.read()

    async def read(self, count: int) -> bytes:
        """So many octets in clear, or less at the end. Raises ssl.SSLError."""
        heard = bytearray()
        while len(heard) < count:
            try:
                octets = self.tls.read(count - len(heard))
            except ssl.SSLWantReadError:
                await self.hear()
                continue
            except ssl.SSLZeroReturnError:  # after a farewell of our own
                break
            if not octets:
                break
            heard += octets
        return bytes(heard)


async def connect(server: Server, highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Client:
    reader, writer = await asyncio.open_connection(*server.socket.getsockname())
    return Client(reader, writer, highest)


async def greeted(server: Server, highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Client:
    """A client that has heard "hello TLSv1.x"."""
    client = await connect(server, highest)
    client.send(await client.shake())
    assert await client.read(15) == f"hello {client.tls.version()}\r\n".encode()
    return client


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.002)


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
    await until(lambda: not server.listener.crowd.total)
    assert heard == b"x" * 10_000


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
    await until(lambda: not server.listener.crowd.total)


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
    monkeypatch.setattr(transports, "SHUTDOWN_SECONDS", 0.05)
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
    monkeypatch.setattr(transports, "SHUTDOWN_SECONDS", 0.2)
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
    await until(lambda: not server.listener.crowd.total)
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
    await until(lambda: not server.listener.crowd.total)
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
    await until(lambda: not server.listener.crowd.total)
    (said,) = capsys.readouterr().err.splitlines()
    assert "no shared cipher" in said


async def test_a_handshake_that_takes_too_long_is_one_line(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    server = await serve(caps=Caps(total=10, per_client=10, handshake_timeout=0.05))
    client = await connect(server)
    client.send(b"\x16\x03\x01")
    with contextlib.suppress(ConnectionError):
        assert await client.reader.read() == b""
    await until(lambda: not server.listener.crowd.total)
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
    await until(lambda: not server.listener.crowd.total)
    assert len(capsys.readouterr().err.splitlines()) == 1


async def test_a_peer_who_left_before_the_handshake_is_a_lost_connection(store: TlsStore) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    connection = Connection("192.0.2.1", Listener(Log("test"), echo, Caps(1, 1)))
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: Inlet(connection), sock=ours)
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
    await until(lambda: bool(server.listener.crowd.total))
    await server.listener.wait_idle(0)
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(client.reader.read(), 30) == b""


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
    assert max(sizes) <= transports.HIGH_WATER + 2000


def test_connections_read_into_the_same_buffers() -> None:
    async def windows() -> tuple[memoryview, memoryview]:
        log, caps = Log("test"), Caps(total=1, per_client=1)
        stranger, friend = (Connection("192.0.2.1", Listener(log, echo, caps)) for _ in range(2))
        friend.trust()
        return tuple(transports.Inlet(one).get_buffer(-1) for one in (stranger, friend))  # type: ignore[return-value]

    small, large = asyncio.run(windows())
    assert (len(small), len(large)) == (SMALL, LARGE)
    assert small.obj is large.obj
