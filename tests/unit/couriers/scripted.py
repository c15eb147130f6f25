"""Servers that follow a script, and a courier that goes to them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from postroom.couriers.parcel import Attempt, Parcel
from postroom.couriers.session import SessionOpener
from postroom.couriers.smtp import MxSettings, SmtpCourier
from postroom.policy.lookups import Answer, LookupStatus, Mx, Query, RecordType, answer_with
from postroom.runtime.log import Log
from postroom.wire.smtp.client import Outgoing

MESSAGE = b"Subject: x\r\n\r\n.dot\r\ntext\r\n"
Serve = Callable[["Peer"], Awaitable[None]]
ZONE: dict[Query, Answer] = {
    Query("b.example", RecordType.MX): Answer(
        LookupStatus.FOUND, (Mx(10, "mx1.b.example"), Mx(20, "mx2.b.example"))
    ),
    Query("mx1.b.example", RecordType.A): Answer(LookupStatus.FOUND, ("127.0.0.1",)),
    Query("mx2.b.example", RecordType.A): Answer(LookupStatus.FOUND, ("127.0.0.1",)),
    Query("dead.example", RecordType.MX): Answer(LookupStatus.FOUND, (Mx(0, ""),)),
}


class Zone:
    """Answers from a dictionary, in place of a resolver."""

    async def run(self, steps):  # type: ignore[no-untyped-def]
        return answer_with(steps, lambda query: ZONE.get(query, Answer(LookupStatus.NODATA)))


class Peer:
    """The server's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, *lines: str) -> None:
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self.writer.drain()

    async def line(self) -> str:
        return (await self.reader.readuntil(b"\r\n")).decode().rstrip("\r\n")

    async def hear(self, *prefixes: str) -> None:
        for prefix in prefixes:
            line = await self.line()
            assert line.startswith(prefix), (line, prefix)

    async def greet(self, *keywords: str) -> None:
        await self.say("220 mx ESMTP")
        await self.hear("EHLO mail.a.example")
        lines = ["mx", *keywords]
        await self.say(
            *(f"250{'-' if number + 1 < len(lines) else ' '}{text}" for number, text in enumerate(lines))
        )

    async def message(self) -> bytes:
        return await self.reader.readuntil(b"\r\n.\r\n")


class Servers:
    """Scripted servers; one script per connection, in order; what went wrong in a script is raised at the end."""

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self.connections = 0
        self._problems: list[BaseException] = []
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def add(self, host: str, *scripts: Serve) -> None:
        waiting = list(scripts)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                await waiting.pop(0)(Peer(reader, writer))
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            except BaseException as problem:
                self._problems.append(problem)
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
        self._servers.append(server)
        self.ports[host] = server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        real = [problem for problem in self._problems if not isinstance(problem, asyncio.CancelledError)]
        if real:
            raise real[0]


@asynccontextmanager
async def courier_for(servers: Servers, ca_file: str = "", scale: float = 1.0) -> AsyncIterator[SmtpCourier]:
    opener = SessionOpener("mail.a.example", Log("relay"), ca_file, 5.0, scale)
    mx = MxSettings(frozenset({"mail.a.example"}), 1, servers.ports, ("ipv6", "ipv4"))
    courier = SmtpCourier(Zone(), opener, mx, lambda hosts: None)  # type: ignore[arg-type]
    try:
        yield courier
    finally:
        courier.close()
        await servers.close()


async def send(
    courier: SmtpCourier, *recipients: str, text: bytes = MESSAGE, domain: str = "b.example"
) -> Attempt:
    addresses = tuple((address, "") for address in recipients or ("bob@b.example",))
    parcel = Parcel("id", len(text), not text.isascii(), lambda: (text,))
    async with asyncio.timeout(60):
        return await courier.deliver(domain, Outgoing("ada@a.example", addresses, len(text)), parcel)


async def accept(peer: Peer) -> None:
    await peer.greet("PIPELINING")
    while True:
        await peer.hear("MAIL", "RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "354 go")
        assert await peer.message() == b"Subject: x\r\n\r\n..dot\r\ntext\r\n.\r\n"
        await peer.say("250 2.0.0 taken")
