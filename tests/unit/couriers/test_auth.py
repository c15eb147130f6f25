"""AuthClient against scripted servers, also ones that misbehave, and against the auth agent's own server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from postroom.contracts.auth import Login, LoginAttempt
from postroom.contracts.errors import LoginRefused, LoginThrottled, MailError, Unavailable
from postroom.couriers import auth as couriers_auth
from postroom.couriers.auth import AuthClient
from postroom.wire import auth_protocol as proto

HANDSHAKE = proto.server_handshake(1, 1, "0" * 32, ("PLAIN",))
ATTEMPT = LoginAttempt("LOGIN", b"\0ada\0x", "imap", "192.0.2.1", True, "s1")
Answer = Callable[[proto.AuthRequest], bytes]


class Scripted:
    """A server that greets and answers every AUTH by a function; None as its answer hangs up."""

    def __init__(self) -> None:
        self.greeting = HANDSHAKE
        self.answer: Callable[[proto.AuthRequest], bytes | None] = lambda request: proto.ok(
            request.id, "ada@a.example", "ada"
        )
        self.heard: list[proto.Command] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(self.greeting)
        while line := await reader.readline():
            command = proto.read_command(line[:-1])
            self.heard.append(command)
            if isinstance(command, proto.AuthRequest):
                said = self.answer(command)
                if said is None:
                    break
                writer.write(said)
        writer.close()


@pytest.fixture
async def scripted(tmp_path: Path) -> AsyncIterator[tuple[Scripted, AuthClient]]:
    script = Scripted()
    server = await asyncio.start_unix_server(script.serve, tmp_path / "auth.sock")
    client = AuthClient(str(tmp_path / "auth.sock"))
    yield script, client
    await client.close()
    server.close()


async def test_one_connection_serves_many(scripted: tuple[Scripted, AuthClient]) -> None:
    script, client = scripted
    logins = await asyncio.gather(*(client.authenticate(ATTEMPT) for _ in range(50)))
    assert set(logins) == {Login("ada", "ada@a.example")}
    assert script.connections == 1
    requests = [command for command in script.heard if isinstance(command, proto.AuthRequest)]
    assert len({request.id for request in requests}) == 50
    assert requests[0] == proto.AuthRequest(
        requests[0].id, "PLAIN", "imap", "192.0.2.1", True, "s1", b"\0ada\0x"
    )


async def test_answers_in_another_order_reach_whoever_asked(scripted: tuple[Scripted, AuthClient]) -> None:
    script, client = scripted
    held: list[int] = []

    def backwards(request: proto.AuthRequest) -> bytes:
        held.append(request.id)
        return b"".join(proto.ok(n, f"u{n}", f"u{n}") for n in reversed(held)) if len(held) == 5 else b""

    script.answer = backwards
    logins = await asyncio.gather(*(client.authenticate(ATTEMPT) for _ in range(5)))
    assert [login.account for login in logins] == ["u1", "u2", "u3", "u4", "u5"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda request: proto.fail(request.id, "ada"), LoginRefused),
        (lambda request: proto.fail(request.id, "ada", code="authz_fail"), LoginRefused),
        (lambda request: proto.fail(request.id, "ada", code="temp_fail"), Unavailable),
        (lambda request: b"FAIL\t%d\ttemp\n" % request.id, Unavailable),
        (lambda request: proto.fail(request.id, "ada", code="temp_fail", throttled=True), LoginThrottled),
        (lambda request: proto.continuation(request.id, b""), Unavailable),
        (lambda request: b"OK\t%d\n" % request.id, Unavailable),
        (lambda request: b"NONSENSE\n", Unavailable),
        (lambda request: b"x" * 10_000, Unavailable),
        (lambda request: None, Unavailable),
    ],
)
async def test_every_other_answer_is_one_of_three_errors(
    scripted: tuple[Scripted, AuthClient], answer: Answer, error: type[MailError]
) -> None:
    script, client = scripted
    script.answer = answer
    with pytest.raises(error):
        await client.authenticate(ATTEMPT)


async def test_another_major_version_is_unavailable(scripted: tuple[Scripted, AuthClient]) -> None:
    script, client = scripted
    script.greeting = b"VERSION\t2\t0\nDONE\n"
    script.answer = lambda request: b""
    with pytest.raises(Unavailable):
        await client.authenticate(ATTEMPT)


async def test_a_restarted_agent_is_asked_again(scripted: tuple[Scripted, AuthClient]) -> None:
    script, client = scripted
    answers: list[bytes | None] = [None]
    good = script.answer
    script.answer = lambda request: answers.pop() if answers else good(request)
    assert await client.authenticate(ATTEMPT) == Login("ada", "ada@a.example")
    assert script.connections == 2


async def test_no_socket_is_unavailable_until_there_is_one(tmp_path: Path) -> None:
    client = AuthClient(str(tmp_path / "auth.sock"))
    with pytest.raises(Unavailable):
        await client.authenticate(ATTEMPT)
    server = await asyncio.start_unix_server(Scripted().serve, tmp_path / "auth.sock")
    assert (await client.authenticate(ATTEMPT)).account == "ada"
    await client.close()
    server.close()


async def test_a_silent_agent_is_unavailable_in_time(
    scripted: tuple[Scripted, AuthClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    script, client = scripted
    script.answer = lambda request: b""
    monkeypatch.setattr(couriers_auth, "ANSWER_SECONDS", 0.05)
    with pytest.raises(Unavailable):
        await client.authenticate(ATTEMPT)


async def test_a_server_that_names_no_account_gives_its_user(scripted: tuple[Scripted, AuthClient]) -> None:
    script, client = scripted
    script.answer = lambda request: b"OK\t%d\tuser=ada@a.example\tnologin\n" % request.id
    assert await client.authenticate(ATTEMPT) == Login("ada@a.example", "ada@a.example")
