"""The SMTP courier against servers that follow a script, kind ones and hostile ones."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from postroom.couriers.parcel import Attempt, Parcel
from postroom.couriers.session import SessionOpener
from postroom.couriers.smtp import SmtpCourier, Ways
from postroom.policy.lookups import Answer, Mx, Query, RecordType, Status, answer_with
from postroom.runtime.log import Log
from postroom.wire.smtp.client import Outgoing

MESSAGE = b"Subject: x\r\n\r\n.dot\r\ntext\r\n"
Serve = Callable[["Peer"], Awaitable[None]]
ZONE: dict[Query, Answer] = {
    Query("b.example", RecordType.MX): Answer(
        Status.FOUND, (Mx(10, "mx1.b.example"), Mx(20, "mx2.b.example"))
    ),
    Query("mx1.b.example", RecordType.A): Answer(Status.FOUND, ("127.0.0.1",)),
    Query("mx2.b.example", RecordType.A): Answer(Status.FOUND, ("127.0.0.1",)),
    Query("dead.example", RecordType.MX): Answer(Status.FOUND, (Mx(0, ""),)),
}


class Zone:
    """Answers from a dictionary, in place of a resolver."""

    async def run(self, steps):  # type: ignore[no-untyped-def]
        return answer_with(steps, lambda query: ZONE.get(query, Answer(Status.NODATA)))


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
    ways = Ways(frozenset({"mail.a.example"}), 1, servers.ports, ("ipv6", "ipv4"))
    courier = SmtpCourier(Zone(), opener, ways, lambda hosts: None)  # type: ignore[arg-type]
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


async def refuse_connections(peer: Peer) -> None:
    await peer.say("554 no")


async def test_a_session_is_used_again() -> None:
    servers = Servers()
    await servers.add("mx1.b.example", accept)
    async with courier_for(servers) as courier:
        for _ in range(3):
            attempt = await send(courier)
            assert [str(reply) for reply in attempt.replies] == ["250 2.0.0 taken"]
        assert servers.connections == 1
        assert attempt.host == f"mx1.b.example[127.0.0.1]:{servers.ports['mx1.b.example']}"


async def test_a_kept_session_that_died_is_replaced() -> None:
    async def once(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.hear("MAIL", "RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "354 go")
        await peer.message()
        await peer.say("250 2.0.0 taken")
        await peer.line()  # the next MAIL comes, and we are gone

    servers = Servers()
    await servers.add("mx1.b.example", once, accept)
    async with courier_for(servers) as courier:
        assert (await send(courier)).replies[0].code == 250
        assert (await send(courier)).replies[0].code == 250
        assert servers.connections == 2


async def closes(peer: Peer) -> None:
    """No word at all."""


async def greets_late_421(peer: Peer) -> None:
    await peer.say("421 busy")


async def garbage(peer: Peer) -> None:
    await peer.say("\x00\xff HTTP/1.1 200 OK")


async def endless_lines(peer: Peer) -> None:
    while True:
        await peer.say(*["220-more"] * 1000)


async def one_endless_line(peer: Peer) -> None:
    while True:
        peer.writer.write(b"220 " + b"x" * 65536)
        await peer.writer.drain()


async def answers_before_asked(peer: Peer) -> None:
    await peer.greet("PIPELINING")
    await peer.hear("MAIL", "RCPT", "DATA")
    await peer.say("354 go", "354 go", "354 go")


async def mid_pipeline_421(peer: Peer) -> None:
    await peer.greet("PIPELINING")
    await peer.hear("MAIL")
    await peer.say("421 going down")


BAD = [refuse_connections, closes, greets_late_421, garbage, endless_lines, one_endless_line, answers_before_asked,
       mid_pipeline_421]  # fmt: skip


@pytest.mark.parametrize("script", BAD, ids=lambda script: script.__name__)
async def test_the_next_server_is_tried(script: Serve) -> None:
    servers = Servers()
    await servers.add("mx1.b.example", script)
    await servers.add("mx2.b.example", accept)
    async with courier_for(servers) as courier:
        attempt = await send(courier)
        assert attempt.replies[0].code == 250
        assert attempt.host.startswith("mx2.")


@pytest.mark.parametrize("script", BAD, ids=lambda script: script.__name__)
async def test_servers_that_misbehave_are_temporary_failures(script: Serve) -> None:
    servers = Servers()
    for host in ("mx1.b.example", "mx2.b.example"):
        await servers.add(host, script)
    async with courier_for(servers) as courier:
        attempt = await send(courier)
        assert attempt.replies[0].temporary
        assert not attempt.reached


async def test_a_silent_server_times_out() -> None:
    async def silent(peer: Peer) -> None:
        await asyncio.Event().wait()

    servers = Servers()
    for host in ("mx1.b.example", "mx2.b.example"):
        await servers.add(host, silent)
    async with courier_for(servers, scale=0.001) as courier:
        attempt = await send(courier)
        assert "timed out" in str(attempt.replies[0])


async def test_a_reply_that_trickles_times_out_as_a_whole() -> None:
    async def trickle(peer: Peer) -> None:
        while True:
            await peer.say("220-x")
            await asyncio.sleep(0.02)

    servers = Servers()
    for host in ("mx1.b.example", "mx2.b.example"):
        await servers.add(host, trickle)
    async with courier_for(servers, scale=0.001) as courier:
        assert "timed out" in str((await send(courier)).replies[0])


async def test_close_at_data_may_mean_twice_and_is_no_reason_for_another_server() -> None:
    async def close_at_data(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.hear("MAIL", "RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "354 go")
        await peer.message()

    servers = Servers()
    await servers.add("mx1.b.example", close_at_data)
    await servers.add("mx2.b.example", accept)
    async with courier_for(servers) as courier:
        attempt = await send(courier)
        assert attempt.replies[0].temporary
        assert "may arrive twice" in attempt.replies[0].text
        assert servers.connections == 1


async def test_each_recipient_has_its_own_reply() -> None:
    async def mixed(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.hear("MAIL", "RCPT", "RCPT", "RCPT", "DATA")
        await peer.say(
            "250 ok", "550-5.1.1 no such", "550 5.1.1 user", "451 4.7.1 greylisted", "250 ok", "354 go"
        )
        await peer.message()
        await peer.say("250 2.0.0 taken")

    servers = Servers()
    await servers.add("mx1.b.example", mixed)
    async with courier_for(servers) as courier:
        attempt = await send(courier, "x@b.example", "y@b.example", "z@b.example")
        assert [reply.code for reply in attempt.replies] == [550, 451, 250]
        assert attempt.replies[0].text == "no such\nuser"


@pytest.mark.parametrize(
    ("keyword", "text", "status"), [("SIZE 10", MESSAGE, "5.3.4"), ("PIPELINING", "é\r\n".encode(), "5.6.3")]
)
async def test_what_the_server_cannot_take_is_not_offered(keyword: str, text: bytes, status: str) -> None:
    async def limited(peer: Peer) -> None:
        await peer.greet(keyword)
        await peer.hear("QUIT")

    servers = Servers()
    await servers.add("mx1.b.example", limited)
    async with courier_for(servers) as courier:
        assert (await send(courier, text=text)).replies[0].enhanced == status


async def test_null_mx_is_final() -> None:
    async with courier_for(Servers()) as courier:
        attempt = await send(courier, domain="dead.example")
        assert (attempt.replies[0].code, attempt.replies[0].enhanced) == (556, "5.1.10")


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def tls_script(context: ssl.SSLContext, injected: str = "") -> Serve:
    async def script(peer: Peer) -> None:
        await peer.greet("STARTTLS", "PIPELINING")
        await peer.hear("STARTTLS")
        peer.writer.write(f"220 go\r\n{injected}".encode())
        await peer.writer.start_tls(context)
        await peer.hear("EHLO")
        await peer.say("250-mx", "250 PIPELINING")
        await peer.hear("MAIL", "RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "354 go")
        await peer.message()
        await peer.say("250 2.0.0 taken")

    return script


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, str]:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return ca, str(tmp_path / "ca.pem")


async def test_tls_is_used_and_verified(authority: tuple[trustme.CA, str]) -> None:
    servers = Servers()
    await servers.add("mx1.b.example", tls_script(server_context(authority[0], "mx1.b.example")))
    async with courier_for(servers, authority[1]) as courier:
        attempt = await send(courier)
        assert attempt.replies[0].code == 250
        assert attempt.tls.startswith("TLSv1.3 with ")
        assert attempt.tls.endswith(", verified")


async def test_a_wrong_certificate_still_encrypts(authority: tuple[trustme.CA, str]) -> None:
    servers = Servers()
    script = tls_script(server_context(authority[0], "other.example"))
    await servers.add("mx1.b.example", script, script)
    async with courier_for(servers, authority[1]) as courier:
        attempt = await send(courier)
        assert attempt.replies[0].code == 250
        assert attempt.tls.endswith("not verified")


async def test_a_broken_handshake_goes_on_without_tls() -> None:
    async def broken(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await peer.hear("STARTTLS")
        await peer.say("220 go")
        await peer.reader.read(100)
        peer.writer.write(b"this is no TLS record at all\r\n" * 10)
        await peer.writer.drain()

    servers = Servers()
    await servers.add("mx1.b.example", broken, accept)
    async with courier_for(servers) as courier:
        attempt = await send(courier)
        assert (attempt.replies[0].code, attempt.tls) == (250, "")


async def test_a_handshake_that_is_cut_off_goes_on_without_tls() -> None:
    async def cut_off(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await peer.hear("STARTTLS")
        await peer.say("220 go")
        await peer.reader.read(100)

    servers = Servers()
    await servers.add("mx1.b.example", cut_off, accept)
    async with courier_for(servers) as courier:
        attempt = await send(courier)
        assert (attempt.replies[0].code, attempt.tls) == (250, "")


async def never_takes_mail(peer: Peer) -> None:
    await peer.say("521 mx takes no mail")


@pytest.mark.parametrize(("other", "code"), [(closes, 451), (never_takes_mail, 556)])
async def test_a_host_that_takes_no_mail_does_not_speak_for_the_others(other: Serve, code: int) -> None:
    servers = Servers()
    await servers.add("mx1.b.example", other)
    await servers.add("mx2.b.example", never_takes_mail)
    async with courier_for(servers) as courier:
        attempt = await send(courier)
        assert attempt.replies[0].code == code
        assert attempt.reached is (code == 556)


async def test_octets_behind_starttls_are_an_attack(authority: tuple[trustme.CA, str]) -> None:
    servers = Servers()
    context = server_context(authority[0], "mx1.b.example")
    await servers.add("mx1.b.example", tls_script(context, "250 injected\r\n"))
    await servers.add("mx2.b.example", tls_script(server_context(authority[0], "mx2.b.example")))
    async with courier_for(servers, authority[1]) as courier:
        attempt = await send(courier)
        assert attempt.host.startswith("mx2.")
        assert attempt.tls
