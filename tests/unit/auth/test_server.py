"""The auth agent's socket, spoken to octet by octet."""

import asyncio
from base64 import b64encode
from pathlib import Path

import pytest
from postroom.auth import server
from postroom.auth.judge import LoginOutcome, LoginVerdict
from postroom.auth.server import MAX_EXCHANGES
from postroom.wire import auth_protocol as proto
from postroom.wire.sasl import Plain

from .conftest import PEOPLE, Parts, Peer, serving

CLOCK_TICK = 0.01  # seconds by which an event loop may be early


def auth(number: int, name: str, password: str, extra: str = "secured") -> bytes:
    message = b64encode(f"\0{name}@a.example\0{password}".encode()).decode()
    return f"AUTH\t{number}\tPLAIN\tservice=imap\trip=192.0.2.1\t{extra}\tresp={message}\n".encode()


async def test_plain_with_an_initial_response(socket_path: str) -> None:
    peer = await Peer.connect(socket_path)
    peer.send(auth(1, "ada", PEOPLE["ada"]))
    assert await peer.line() == b"OK\t1\tuser=ada@a.example\taccount=ada"
    peer.send(auth(2, "ada", "wrong"))
    assert await peer.line() == b"FAIL\t2\tuser=ada@a.example"
    peer.close()


async def test_login_asks_for_name_and_password(socket_path: str) -> None:
    peer = await Peer.connect(socket_path)
    peer.send(b"AUTH\t7\tLOGIN\tservice=smtp\tsecured\n")
    assert await peer.line() == b"CONT\t7\t" + b64encode(b"Username:")
    peer.send(b"CONT\t7\t" + b64encode(b"bob@a.example") + b"\n")
    assert await peer.line() == b"CONT\t7\t" + b64encode(b"Password:")
    peer.send(b"CONT\t7\t" + b64encode(PEOPLE["bob"].encode()) + b"\n")
    assert await peer.line() == b"OK\t7\tuser=bob@a.example\taccount=bob"
    peer.close()


async def test_exchanges_are_pipelined_and_answered_each_under_its_number(socket_path: str) -> None:
    peer = await Peer.connect(socket_path)
    peer.send(b"".join(auth(number, "ada" if number % 2 else "bob", PEOPLE["ada"]) for number in range(1, 5)))
    answers = {await peer.line() for _ in range(4)}
    assert {answer.split(b"\t")[0:2] == [b"OK", b"1"] for answer in answers} == {True, False}
    assert {answer.split(b"\t")[1] for answer in answers if answer.startswith(b"OK")} == {b"1", b"3"}
    peer.close()


async def test_x14_a_refusal_waits_from_the_question_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the verdict took: the answer comes at the same moment."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def judge(plain: Plain, client: str) -> LoginVerdict:
        thinking = asyncio.Event()
        asyncio.get_running_loop().call_later(0.2, thinking.set)
        await thinking.wait()
        return LoginVerdict(LoginOutcome.REFUSED, delay=1.0)

    async with serving(judge, str(tmp_path / "auth.sock")) as path:
        peer = await Peer.connect(path)
        monkeypatch.setattr(server.asyncio, "sleep", sleep)
        peer.send(auth(1, "ada", "wrong"))
        assert await peer.line() == b"FAIL\t1\tuser=ada@a.example"
        peer.close()
    assert len(waited) == 1
    assert waited[0] <= 0.8 + CLOCK_TICK


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"AUTH\t1\tCRAM-MD5\tservice=imap\tsecured\n", b"FAIL\t1\treason=mechanism not offered"),
        (b"AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=!!\n", b"FAIL\t1\treason=invalid base64 data"),
        (b"AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=AAAA\n", b"FAIL\t1\treason=not a PLAIN message"),
        (auth(1, "ada", "x", "nologin"), b"FAIL\t1\treason=TLS is required"),
    ],
)
async def test_what_is_no_login_fails_and_the_connection_stays(
    socket_path: str, line: bytes, answer: bytes
) -> None:
    peer = await Peer.connect(socket_path)
    peer.send(line)
    said = await peer.line()
    assert said.startswith(answer.split(b"reason=")[0])
    assert b"reason=" in said
    peer.send(auth(2, "ada", PEOPLE["ada"]))
    assert (await peer.line()).startswith(b"OK\t2")
    peer.close()


async def test_acting_for_somebody_else_is_refused(socket_path: str) -> None:
    peer = await Peer.connect(socket_path)
    message = b64encode(f"bob@a.example\0ada@a.example\0{PEOPLE['ada']}".encode())
    peer.send(b"AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=" + message + b"\n")
    assert await peer.line() == b"FAIL\t1\tuser=ada@a.example\tcode=authz_fail"
    peer.close()


async def test_control_characters_in_a_name_stay_in_their_parameter(
    socket_path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """X18, X19"""
    peer = await Peer.connect(socket_path)
    message = b64encode(b"\0ada\tsecured\nOK\t1\tuser=ada\0wrong")
    peer.send(b"AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=" + message + b"\n")
    line = await peer.line()
    reply = proto.read_reply(line)
    assert isinstance(reply, proto.AuthReply)
    assert (reply.verb, reply.parameters) == ("FAIL", {"user": "ada\tsecured\nOK\t1\tuser=ada"})
    assert len(capfd.readouterr().err.splitlines()) == 1
    peer.close()


GARBAGE = [
    b"\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\n",
    b"AUTH\t1\n",
    b"AUTH\tone\tPLAIN\n",
    b"CONT\t5\tAA==\n",
    b"OK\t1\tuser=ada\n",
    b"VERSION\t2\t0\n",
    b"x" * (proto.MAX_LINE + 1),
    b"AUTH\t1\tLOGIN\tservice=imap\tsecured\n" * 2,
    bytes(range(256)) * 10,
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_drops_its_sender_and_nobody_else(
    socket_path: str, garbage: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """X18, X23: the peer is dropped with one line of log, others are served on."""
    good, bad = await Peer.connect(socket_path), await Peer.connect(socket_path)
    capfd.readouterr()
    bad.send(garbage)
    assert await bad.ended()
    good.send(auth(1, "ada", PEOPLE["ada"]))
    assert (await good.line()).startswith(b"OK\t1")
    assert len(capfd.readouterr().err.splitlines()) == 1
    good.close()
    bad.close()


async def test_a_command_before_the_handshake_drops_the_peer(socket_path: str) -> None:
    peer = await Peer.connect(socket_path, greet=False)
    peer.send(auth(1, "ada", PEOPLE["ada"]))
    assert await peer.ended()


async def test_more_exchanges_than_one_connection_may_have_are_told_to_come_again(socket_path: str) -> None:
    """X5, X15: an agent whose clients are being attacked is not cut off from the rest of its logins."""
    peer = await Peer.connect(socket_path)
    for number in range(1, MAX_EXCHANGES + 1):
        peer.send(b"AUTH\t%d\tLOGIN\tservice=imap\tsecured\n" % number)
        assert (await peer.line()).startswith(b"CONT\t")
    peer.send(auth(9999, "ada", PEOPLE["ada"]))
    assert await peer.line() == b"FAIL\t9999\tcode=temp_fail"
    peer.send(b"CANCEL\t1\n" + auth(9999, "ada", PEOPLE["ada"]))
    assert (await peer.line()).startswith(b"OK\t9999")
    peer.close()


async def test_a_judge_that_fails_is_a_temporary_failure(parts: Parts, socket_path: str) -> None:
    peer = await Peer.connect(socket_path)
    parts.judge.login_cache = None  # type: ignore[assignment]
    peer.send(auth(1, "ada", PEOPLE["ada"]))
    assert await peer.line() == b"FAIL\t1\tuser=ada@a.example\tcode=temp_fail"
    peer.close()


async def test_a_thousand_malformed_exchanges_hurt_no_good_login(socket_path: str) -> None:
    """X15: 2,000 malformed exchanges and 40 broken connections while 100 people log in: all of them come in."""
    good, bad = await Peer.connect(socket_path), await Peer.connect(socket_path)

    async def attack() -> None:
        for number in range(2000):
            bad.send(b"AUTH\t%d\tPLAIN\tservice=imap\tsecured\tresp=%%%%\n" % number)
            if number % 50 == 0:
                broken = await Peer.connect(socket_path)
                broken.send(GARBAGE[number // 50 % len(GARBAGE)])
                broken.close()
            await asyncio.sleep(0)

    async def log_in() -> list[bytes]:
        said = []
        for number in range(100):
            name = ("ada", "bob")[number % 2]
            good.send(auth(number, name, PEOPLE[name]))
            said.append((await good.line()).split(b"\t")[0])
        return said

    _, said = await asyncio.gather(attack(), log_in())
    assert said == [b"OK"] * 100
    assert (await bad.line()).startswith(b"FAIL\t0\treason=")
    good.close()
    bad.close()
