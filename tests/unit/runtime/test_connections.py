"""The shell under our line protocols: reading, TLS, limits, draining, on real sockets."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from postroom.runtime import connections
from postroom.runtime.config import ConfigError
from postroom.runtime.connections import Connection, ConnectionLimits, Listener, PeerInjected
from postroom.runtime.log import Log
from postroom.runtime.shared_counters import SharedCounter
from postroom.runtime.tls import TlsStore

Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]
AUTHORITY = trustme.CA()


def issue(folder: Path, name: str) -> None:
    (folder / name).mkdir(parents=True)
    issued = AUTHORITY.issue_cert(name)
    issued.private_key_pem.write_to_path(folder / name / "key.pem")
    for pem in issued.cert_chain_pems:
        pem.write_to_path(folder / name / "fullchain.pem", append=True)


@pytest.fixture
def store(tmp_path: Path) -> TlsStore:
    for name in ("alpha.example", "beta.example"):
        issue(tmp_path, name)
    made = TlsStore(str(tmp_path))
    made.load()
    return made


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


async def echo(connection: Connection) -> None:
    connection.write(f"hello {connection.tls_version}\r\n".encode())
    while octets := await connection.read():
        connection.write(octets)
        await connection.drain()


class Server:
    """A listener on a port of its own."""

    def __init__(self, handler: Callable[[Connection], Awaitable[None]], **settings: object) -> None:
        limits = settings.pop("limits", ConnectionLimits(total=100, per_client=100))
        self.listener = Listener(Log("test"), handler, limits, **settings)  # type: ignore[arg-type]
        self.socket = socket.create_server(("127.0.0.1", 0))

    async def open(self, **settings: object) -> Opened:
        return await asyncio.open_connection("127.0.0.1", self.socket.getsockname()[1], **settings)  # type: ignore[arg-type]


@asynccontextmanager
async def serving(**common: object) -> AsyncIterator[Callable[..., Awaitable[Server]]]:
    """Starts servers, and ends them. `common` are settings of all of them."""
    servers: list[Server] = []

    async def start(handler: Callable[[Connection], Awaitable[None]] = echo, **settings: object) -> Server:
        server = Server(handler, **common, **settings)
        servers.append(server)
        await server.listener.start([server.socket])
        return server

    yield start
    for server in servers:
        await server.listener.stop_accepting()
        await server.listener.wait_idle(0)
        server.socket.close()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Server]]]:
    async with serving() as start:
        yield start


async def test_certificates_are_chosen_by_name(
    serve: Callable[..., Awaitable[Server]], store: TlsStore
) -> None:
    server = await serve(tls=store.context)
    for name in ("alpha.example", "beta.example"):
        reader, writer = await server.open(ssl=trusting(), server_hostname=name)
        assert await reader.readline() == b"hello TLSv1.3\r\n"
        writer.close()


async def starttls(store: TlsStore, connection: Connection) -> None:
    octets = await connection.read()
    if octets != b"STARTTLS\r\n":
        raise PeerInjected
    connection.write(b"go\r\n")
    await connection.start_tls(store.context())
    await echo(connection)


async def test_x03_octets_behind_starttls_close_the_connection(
    serve: Callable[..., Awaitable[Server]], store: TlsStore
) -> None:
    server = await serve(lambda connection: starttls(store, connection))
    reader, writer = await server.open()
    writer.write(b"STARTTLS\r\nNOOP\r\n")
    assert await reader.read() == b""


async def test_starttls_in_good_order(serve: Callable[..., Awaitable[Server]], store: TlsStore) -> None:
    server = await serve(lambda connection: starttls(store, connection))
    reader, writer = await server.open()
    writer.write(b"STARTTLS\r\n")
    assert await reader.readline() == b"go\r\n"
    await writer.start_tls(trusting(), server_hostname="beta.example")
    assert await reader.readline() == b"hello TLSv1.3\r\n"
    writer.close()


async def test_x34_a_failed_handshake_is_one_line(
    serve: Callable[..., Awaitable[Server]], store: TlsStore, capsys: pytest.CaptureFixture[str]
) -> None:
    server = await serve(tls=store.context)
    reader, writer = await server.open()
    writer.write(b"EHLO there\r\n\r\n")
    assert await reader.read() == b""
    while server.listener.counter.total:
        await asyncio.sleep(0)
    assert len(capsys.readouterr().err.splitlines()) == 1


async def test_a_client_over_its_cap_is_told_and_others_are_served(
    serve: Callable[..., Awaitable[Server]],
) -> None:
    server = await serve(limits=ConnectionLimits(total=10, per_client=2), refuse=b"421 too many\r\n")
    opened = [await server.open() for _ in range(3)]
    assert await opened[2][0].read() == b"421 too many\r\n"
    opened[0][1].write(b"x")
    assert await opened[0][0].readexactly(8 + 1) == b"hello \r\nx"


async def test_listeners_with_one_crowd_count_together(serve: Callable[..., Awaitable[Server]]) -> None:
    counter, limits = SharedCounter(), ConnectionLimits(total=10, per_client=1)
    plain = await serve(limits=limits, counter=counter)
    other = await serve(limits=limits, counter=counter, refuse=b"full\r\n")
    _, first = await plain.open()
    reader, _ = await other.open()
    assert await reader.read() == b"full\r\n"
    first.close()
    async with asyncio.timeout(60):
        while counter.total:
            await asyncio.sleep(0.01)
    assert counter.count("127.0.0.1") == 0
    reader, _ = await other.open()
    assert await reader.readline() == b"hello \r\n"


async def test_what_a_peer_does_not_take_is_dropped(
    serve: Callable[..., Awaitable[Server]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LINGER", 0.1)
    lost = asyncio.Event()

    async def generous(connection: Connection) -> None:
        monkeypatch.setattr(connection, "connection_lost", lambda exc: lost.set())
        connection.write(b"x" * 20_000_000)

    server = await serve(generous)
    reader, _ = await server.open(limit=1024)
    async with asyncio.timeout(60):
        await lost.wait()
    assert not reader.at_eof()


async def test_trusted_clients_have_no_cap_of_their_own(serve: Callable[..., Awaitable[Server]]) -> None:
    trusted = (ipaddress.ip_network("127.0.0.0/8"),)
    server = await serve(limits=ConnectionLimits(total=10, per_client=1, trusted=trusted))
    for reader, _ in [await server.open() for _ in range(5)]:
        assert await reader.readline() == b"hello \r\n"


async def test_a_silent_client_is_left(serve: Callable[..., Awaitable[Server]]) -> None:
    async def impatient(connection: Connection) -> None:
        connection.timeout = 0.05
        await connection.read()

    server = await serve(impatient)
    reader, _ = await server.open()
    assert await reader.read() == b""


async def test_a_client_that_does_not_read_is_left(serve: Callable[..., Awaitable[Server]]) -> None:
    over = asyncio.Event()

    async def flood(connection: Connection) -> None:
        connection.timeout = 0.1
        try:
            while True:
                connection.write(b"x" * 100_000)
                await connection.drain()
        finally:
            over.set()

    server = await serve(flood)
    _, writer = await server.open(limit=1)
    await asyncio.wait_for(over.wait(), 20)
    writer.close()


def test_a_key_that_does_not_fit_is_named(tmp_path: Path) -> None:
    issue(tmp_path, "alpha.example")
    issue(tmp_path, "beta.example")
    (tmp_path / "alpha.example/key.pem").write_bytes((tmp_path / "beta.example/key.pem").read_bytes())
    with pytest.raises(ConfigError, match=r"alpha\.example/key\.pem"):
        TlsStore(str(tmp_path)).load()


def test_no_certificate_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no NAME/fullchain.pem"):
        TlsStore(str(tmp_path)).load()


def test_x25_old_tls_is_off(store: TlsStore) -> None:
    context = store.context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.num_tickets == 0
    old = [
        cipher["name"]
        for cipher in context.get_ciphers()
        if "GCM" not in cipher["name"] and "POLY1305" not in cipher["name"]
    ]
    assert old == []
