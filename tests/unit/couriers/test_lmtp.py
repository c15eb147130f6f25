"""The LMTP line against servers that follow a script."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path

import pytest
from postroom.couriers.lmtp import Errand, LmtpLine
from postroom.couriers.parcel import Attempt, Parcel
from postroom.wire.smtp.client import Outgoing

from .test_smtp import Peer

MESSAGE = b"Subject: x\r\n\r\ntext\r\n"
HELLO = ("250-mda", "250-PIPELINING", "250-XFORWARD NAME IDENT", "250 8BITMIME")


async def greet(peer: Peer) -> None:
    await peer.say("220 mda LMTP")
    await peer.hear("LHLO mail.a.example")
    await peer.say(*HELLO)


async def run(
    folder: Path,
    count: int,
    *scripts: Callable[[Peer], Awaitable[None]],
    chunks: Callable[[], Iterable[bytes]] = lambda: (MESSAGE,),
) -> tuple[list[Attempt], int]:
    """Hand over `count` messages to two recipients each; the attempts, and how many connections were made."""
    waiting, used, problems = list(scripts), [0], []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        used[0] += 1
        try:
            await waiting.pop(0)(Peer(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except AssertionError as problem:
            problems.append(problem)
        finally:
            writer.close()

    path = str(folder / "s")
    server = await asyncio.start_unix_server(serve, path)
    attempts: list[Attempt] = []
    people = (("x@a.example", ""), ("y@a.example", ""))
    errands = [
        Errand(
            Outgoing("", people, len(MESSAGE), ident=f"id{number}"),
            Parcel(f"id{number}", len(MESSAGE), False, chunks),
            attempts.append,
        )
        for number in range(count)
    ]
    line = LmtpLine(path, "mail.a.example", scale=0.01)
    async with asyncio.timeout(60):
        await line.run(lambda: errands.pop(0) if errands else None)
    line.close()
    server.close()
    assert not problems, problems
    return attempts, used[0]


def codes(attempts: list[Attempt]) -> list[list[int]]:
    return [[reply.code for reply in attempt.replies] for attempt in attempts]


async def take(peer: Peer, count: int, reply: str = "250 2.0.0 taken") -> None:
    for _ in range(count):
        await peer.hear("XFORWARD IDENT=id", "MAIL FROM:<>", "RCPT", "RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "250 ok", "250 ok", "354 go")
        assert await peer.message() == MESSAGE + b".\r\n"
        await peer.say(reply, "250 2.0.0 taken")


async def test_many_messages_take_one_connection(tmp_path: Path) -> None:
    async def server(peer: Peer) -> None:
        await greet(peer)
        await take(peer, 20)

    attempts, connections = await run(tmp_path, 20, server)
    assert (codes(attempts), connections) == ([[250, 250]] * 20, 1)


async def test_the_next_envelope_comes_before_the_reply(tmp_path: Path) -> None:
    async def server(peer: Peer) -> None:
        await greet(peer)
        await peer.hear("XFORWARD IDENT=id0", "MAIL", "RCPT", "RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "250 ok", "250 ok", "354 go")
        await peer.message()
        await peer.hear("XFORWARD IDENT=id1", "MAIL", "RCPT", "RCPT", "DATA")
        await peer.say("250 taken", "452 4.2.2 full", "250 ok", "250 ok", "550 5.1.1 who", "250 ok", "354 go")
        await peer.message()
        await peer.say("250 taken")

    attempts, _ = await run(tmp_path, 2, server)
    assert codes(attempts) == [[250, 452], [550, 250]]


async def test_a_message_refused_at_data_does_not_put_us_out_of_step(tmp_path: Path) -> None:
    async def server(peer: Peer) -> None:
        await greet(peer)
        await peer.hear("XFORWARD", "MAIL", "RCPT", "RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "550 no", "550 no", "503 no recipients")
        await peer.hear("RSET")
        await peer.say("250 ok")
        await take(peer, 1)

    attempts, connections = await run(tmp_path, 2, server)
    assert (codes(attempts), connections) == ([[550, 550], [250, 250]], 1)


async def test_a_line_that_breaks_is_made_again(tmp_path: Path) -> None:
    async def breaks(peer: Peer) -> None:
        await greet(peer)
        await take(peer, 1)
        await peer.hear("XFORWARD", "MAIL")

    async def goes_on(peer: Peer) -> None:
        await greet(peer)
        await take(peer, 1)

    attempts, connections = await run(tmp_path, 3, breaks, goes_on)
    assert (codes(attempts), connections) == ([[250, 250], [451, 451], [250, 250]], 2)
    assert [attempt.reached for attempt in attempts] == [True, False, True]


async def garbage(peer: Peer) -> None:
    await peer.say("hello")


async def silent(peer: Peer) -> None:
    await peer.reader.read(1 << 16)
    await asyncio.Event().wait()


async def one_reply_for_two(peer: Peer) -> None:
    await greet(peer)
    await peer.hear("XFORWARD", "MAIL", "RCPT", "RCPT", "DATA")
    await peer.say("250 ok", "250 ok", "250 ok", "250 ok", "354 go")
    await peer.message()
    await peer.say("250 taken")


@pytest.mark.parametrize("script", [garbage, silent, one_reply_for_two], ids=lambda script: script.__name__)
async def test_what_the_server_leaves_open_stays_in_the_queue(
    tmp_path: Path, script: Callable[..., object]
) -> None:
    attempts, _ = await run(tmp_path, 1, script)  # type: ignore[arg-type]
    assert codes(attempts)[0][1] == 451
    assert not attempts[0].reached


async def says_421(peer: Peer) -> None:
    await peer.say("421 4.3.2 later")


async def says_421_in_the_middle(peer: Peer) -> None:
    await greet(peer)
    await peer.hear("XFORWARD", "MAIL", "RCPT", "RCPT", "DATA")
    await peer.say("250 ok", "250 ok", "421 4.3.2 later")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (garbage, None),
        (one_reply_for_two, None),
        (says_421, "421 4.3.2 later"),
        (says_421_in_the_middle, "421 4.3.2 later"),
    ],
)
async def test_no_reason_names_the_socket(
    tmp_path: Path, script: Callable[[Peer], Awaitable[None]], said: str | None
) -> None:
    attempts, _ = await run(tmp_path, 1, script)
    result = attempts[0].results[1]
    assert (result.host, result.host_name) == ("mail.a.example[lmtp]", "mail.a.example")
    assert (str(result.said) if result.said else None) == said
    assert "/" not in str(result.reply)
    assert str(tmp_path) not in result.host


async def test_a_message_that_our_disk_does_not_give_is_told_without_its_place(tmp_path: Path) -> None:
    async def server(peer: Peer) -> None:
        await greet(peer)
        await peer.hear("XFORWARD", "MAIL", "RCPT", "RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "250 ok", "250 ok", "354 go")
        await peer.reader.read()

    def broken() -> Iterator[bytes]:
        yield b"Subject: x\r\n"
        raise FileNotFoundError(2, "No such file or directory", "/spool/1.body")

    attempts, _ = await run(tmp_path, 1, server, chunks=broken)
    for result in attempts[0].results:
        assert str(result.reply) == "451 4.3.0 the message cannot be read now"
        assert "/spool/1.body" in result.inside
    assert attempts[0].reached  # the mda is well


async def test_no_mda_is_a_temporary_failure(tmp_path: Path) -> None:
    line = LmtpLine(str(tmp_path / "none"), "mail.a.example")
    attempts: list[Attempt] = []
    errands = [
        Errand(Outgoing("", (("x@a.example", ""),)), Parcel("", 0, False, lambda: ()), attempts.append)
    ]
    await line.run(lambda: errands.pop(0) if errands else None)
    assert codes(attempts) == [[451]]
    assert not attempts[0].reached
    assert str(attempts[0].results[0].reply) == (
        "451 4.4.1 mailboxes of mail.a.example: No such file or directory"
    )
