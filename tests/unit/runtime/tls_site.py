"""A server and a client for TLS, octet by octet. Fixtures are imported by the tests that use them."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trustme
import uvloop
from postroom.runtime.plain_transport import LARGE
from postroom.runtime.tls import TlsStore

from .test_connections import Server, serving

NAME = "alpha.example"
AUTHORITY = trustme.CA()
Serve = Callable[..., Awaitable[Server]]
both_loops = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy. fixture is deprecated")


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
    async with serving(tls=store.context) as start:
        yield start


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
