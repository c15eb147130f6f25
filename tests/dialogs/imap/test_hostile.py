"""Attacks of strangers and of greedy clients on the running server."""

import asyncio
import random
from pathlib import Path

import msgspec
import pytest
from postroom.imap import idling, standing
from postroom.wire.sasl import encode_line, plain_message

from ...amounts import amount
from ..runner import Peer
from .conftest import Server, logged_in, send, until

SECRET = b"Subject: for ada's eyes\r\n\r\nmarker-of-ada\r\n"


@pytest.mark.parametrize(
    "tail", [b"b CAPABILITY\r\n", b"\r\n", b"b", b"b LOGIN ada@alpha.example secret\r\n"]
)
async def test_x03_octets_behind_starttls_end_the_connection(server: Server, tail: bytes) -> None:
    peer = await server.plain()
    await peer.line()
    await send(peer, b"a STARTTLS\r\n" + tail)
    assert await peer.closed() == b""


async def test_x03_nothing_from_before_tls_survives(server: Server) -> None:
    peer = await server.plain()
    await peer.line()
    await send(peer, b"a STARTTLS\r\n")
    assert (await peer.line()).startswith(b"a OK")
    await peer.writer.start_tls(server.client_tls(), server_hostname="localhost")
    await send(peer, b"b SELECT INBOX\r\n")
    assert await peer.line() == b"b BAD Command not allowed when not authenticated"


@pytest.mark.parametrize(
    "piece",
    [
        b"(" * 4096,
        b"a ID (" + b'"k" "v" ' * 512,
        b"a LOGIN {1000+}\r\n" + b"x" * 1000 + b" ",
        b"a X {99999999+}\r\n",
    ],
)
async def test_x05_a_hundred_strangers_cannot_take_memory(server: Server, piece: bytes) -> None:
    peers = [await server.plain() for _ in range(100)]

    async def flood(peer: Peer) -> bytes:
        try:
            for _ in range(64):
                await send(peer, piece)
        except ConnectionError:
            pass
        return await peer.closed()

    floods = asyncio.gather(*map(flood, peers))
    largest = 0
    while not floods.done():
        largest = max([largest, *(session.session.input.framer.held for session in tuple(server.sessions))])
        await asyncio.sleep(0)
    assert largest < 65_536
    for heard in await floods:
        assert b"BYE" in heard or heard == b""  # a reset may overtake the last words
    good = await logged_in(server)
    good.writer.close()


@pytest.mark.parametrize("form", ["quoted", "literal"])
async def test_the_longest_id_needs_the_setting_for_lines_before_login(server: Server, form: str) -> None:
    """RFC 2971 section 3.3: 30 pairs, names of 30 octets, values of 1024."""
    value = b'"' + b"v" * 1024 + b'"' if form == "quoted" else b"{1024+}\r\n" + b"v" * 1024
    command = b" ".join(b'"%b" %b' % (b"%02d" % number * 15, value) for number in range(30))
    for most, answer in ((8192, b"a BAD [TOOBIG]"), (65_536, b"a OK ID completed")):
        config = server.context.config
        server.context.config = msgspec.structs.replace(config, max_line_before_login=most)
        peer = await server.plain()
        await peer.line()
        await send(peer, b"a ID (" + command + b")\r\n")
        heard = await until(peer, b"a ")
        assert heard.splitlines()[-1].startswith(answer)
        peer.writer.close()


async def test_errors_are_counted(server: Server) -> None:
    peer = await server.plain()
    await peer.line()
    await send(peer, b"a WHAT\r\n" * 20)
    heard = await peer.closed()
    assert heard.count(b"a BAD Unknown command\r\n") == server.context.config.max_errors
    assert heard.endswith(b"* BYE Too many errors\r\n")


async def test_x15_malformed_exchanges_hurt_nobody_else(server: Server) -> None:
    lines = [
        b"!!!!",
        b"=",
        b"AAAA",
        b"*",
        encode_line(b"\0\0"),
        encode_line(b"\0" * 50),
        b"A" * 6000,
        b"\xff\xfe",
    ]
    done = 0

    async def bad(number: int) -> None:
        nonlocal done
        peer = await server.tls()
        chooser = random.Random(number)
        await peer.line()
        try:
            for _ in range(10):
                await send(peer, b"a AUTHENTICATE PLAIN\r\n")
                if not (await peer.line()).startswith(b"+"):
                    break
                await send(peer, chooser.choice(lines) + b"\r\n")
                await peer.line()
                done += 1
        except ConnectionError:
            pass
        peer.writer.close()

    async def good() -> None:
        peer = await server.tls()
        await peer.line()
        message = encode_line(plain_message("bob@alpha.example", "geheim"))
        await send(peer, b"a AUTHENTICATE PLAIN " + message + b"\r\n")
        assert (await peer.line()).startswith(b"a OK")
        await send(peer, b"b LOGOUT\r\n")
        assert b"b OK" in await peer.closed()

    await asyncio.gather(*(bad(number) for number in range(100)), *(good() for _ in range(30)))
    assert done >= 500


async def test_x21_no_name_leaves_the_account(server: Server, tmp_path: Path) -> None:
    peer = await logged_in(server)
    await server.deliver("ada", b"x")  # for the table of marks of news
    before = {path for path in tmp_path.rglob("*") if "accounts/ada" not in str(path)}
    names = [
        b"..", b"../bob", b"../../etc/passwd", b"/etc/passwd", b"a/../../b", b"./x", b"a//b", b"a/.", b"&AC4ALg-/x",
        b"&AC8-etc", b"&AAA-", b"x" * 300, b"a/" * 200 + b"b", b"&IGQ-", b"INBOX/../x", b"\\", b"~root", b"%2e%2e/x",
    ]  # fmt: skip
    for name in names:
        await send(peer, b'a CREATE "%b"\r\n' % name.replace(b"\\", b"\\\\"))
        assert (await peer.line())[:4] in (b"a OK", b"a NO", b"a BA")
        await send(peer, b'a RENAME Drafts "%b"\r\n' % name.replace(b"\\", b"\\\\"))
        if (await peer.line()).startswith(b"a OK"):
            await send(peer, b'a RENAME "%b" Drafts\r\n' % name.replace(b"\\", b"\\\\"))
            assert (await peer.line()).startswith(b"a OK")
    assert {path for path in tmp_path.rglob("*") if "accounts/ada" not in str(path)} == before
    await send(peer, b'a LIST "" *\r\n')
    assert b"passwd" not in (await until(peer, b"a ")).replace(b"/etc/passwd", b"")


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_x24_one_account_sees_nothing_of_another(server: Server) -> None:
    await server.deliver("ada", SECRET)
    ada, bob = await logged_in(server), await logged_in(server, "bob", "geheim")
    await send(ada, b"a CREATE Private-of-ada\r\nb SUBSCRIBE Private-of-ada\r\n")
    assert b"b OK" in await until(ada, b"b ")
    chooser = random.Random(7)
    names = [b"INBOX", b"Private-of-ada", b"ada/INBOX", b"../ada/INBOX", b"user/ada", b"~ada/INBOX", b"Sent"]
    commands = [
        b"SELECT %b", b"EXAMINE %b", b"STATUS %b (MESSAGES UIDNEXT)", b'LIST "" %b*', b'LSUB "" *%b*',
        b"GETQUOTAROOT %b",
        b"SUBSCRIBE %b", b"DELETE %b", b"FETCH 1:* BODY[]", b"UID FETCH 1:* (ENVELOPE BODY.PEEK[])", b"UID COPY 1:* %b",
        b"SEARCH TEXT marker", b"UID SEARCH ALL", b"NOOP",
    ]  # fmt: skip
    for _ in range(amount(400, 10_000)):
        command = chooser.choice(commands)
        await send(bob, b"t " + (command % chooser.choice(names) if b"%b" in command else command) + b"\r\n")
        heard = await until(bob, b"t ")
        assert b"marker-of-ada" not in heard
        assert b"ada's" not in heard
        assert not heard.startswith(b"* SEARCH 1")
        if heard.startswith(b"* BYE") or b"Too many" in heard:
            bob = await logged_in(server, "bob", "geheim")
    await send(ada, b"c SELECT INBOX\r\n")
    assert b"* 1 EXISTS" in await until(ada, b"c ")


async def test_too_many_sessions_of_one_account(server: Server) -> None:
    config = server.context.config
    server.context.config = msgspec.structs.replace(config, max_connections_per_account=2)
    first, _second = await logged_in(server), await logged_in(server)
    third = await server.tls()
    await third.line()
    await send(third, b"a LOGIN ada@alpha.example secret\r\n")
    assert await third.line() == b"a NO [LIMIT] Too many connections of this account"
    await send(first, b"b LOGOUT\r\n")
    await first.closed()
    await send(third, b"c LOGIN ada@alpha.example secret\r\n")
    assert (await third.line()).startswith(b"c OK")


async def test_throttled_logins_are_told_to_wait(server: Server) -> None:
    peer = await server.tls()
    await peer.line()
    await send(peer, b"a LOGIN slow@alpha.example x\r\n")
    assert await peer.line() == b"a NO [LIMIT] Too many failed logins, try again later"


async def test_silence_before_login_ends(server: Server) -> None:
    server.context.config = msgspec.structs.replace(server.context.config, login_timeout=0.2)
    peer = await server.plain()
    await peer.line()
    assert await peer.closed() == b"* BYE Autologout, idle for too long\r\n"


async def test_slow_typing_before_login_ends_too(server: Server) -> None:
    server.context.config = msgspec.structs.replace(server.context.config, login_timeout=0.5)
    peer = await server.plain()
    await peer.line()

    async def type_on() -> None:
        while True:
            await send(peer, b"x")
            await asyncio.sleep(0.05)

    typing = asyncio.ensure_future(type_on())
    heard = await peer.closed()
    typing.cancel()
    assert (
        b"BYE" in heard or not heard
    )  # what is typed behind the end may reset the connection before it is read


async def test_everybody_hears_bye_when_the_agent_ends(server: Server) -> None:
    idle, waiting = await logged_in(server), await logged_in(server)
    await send(idle, b"a SELECT INBOX\r\nb IDLE\r\n")
    assert b"+ idling" in await until(idle, b"+ ")
    for session in tuple(server.sessions):
        session.shut_down()
    assert b"* BYE" in await idle.closed()
    assert b"* BYE" in await waiting.closed()
    for listener in server.listeners:
        await listener.wait_idle(5)
    assert not server.sessions


async def test_over_quota_is_refused(server: Server) -> None:
    server.people.quota_bytes = 1000
    peer = await logged_in(server)
    await send(peer, b"a APPEND INBOX {2000+}\r\n" + b"x" * 2000 + b"\r\n")
    assert await peer.line() == b"a NO [OVERQUOTA] No room left in the mailbox"
    await send(peer, b"b APPEND INBOX {2000000}\r\n")
    assert await peer.line() == b"b NO [TOOBIG] Literal too large"
    await send(peer, b"c APPEND INBOX {3+}\r\na\0b\r\n")
    assert await peer.line() == b"c BAD Literal holds NUL"


async def test_a_deleted_mailbox_ends_the_sessions_in_it(server: Server) -> None:
    here, there = await logged_in(server), await logged_in(server)
    await send(here, b"a CREATE x\r\nb SELECT x\r\n")
    assert b"b OK" in await until(here, b"b ")
    await send(there, b"a DELETE x\r\n")
    assert b"a OK" in await until(there, b"a ")
    await send(here, b"c NOOP\r\n")
    assert await here.closed() == b"* BYE Mailbox was deleted\r\n"


async def test_guesses_on_one_connection_are_counted(server: Server) -> None:
    peer = await server.tls()
    await peer.line()
    await send(peer, b"a LOGIN ada@alpha.example wrong\r\n" * 20)
    heard = await peer.closed()
    assert heard.count(b"a NO [AUTHENTICATIONFAILED]") == server.context.config.max_errors
    assert heard.endswith(b"* BYE Too many errors\r\n")


async def test_one_client_cannot_hold_the_loop(server: Server) -> None:
    greedy, other = await logged_in(server), await logged_in(server)
    await send(greedy, b"a NOOP\r\n" * 8000)
    await send(other, b"b NOOP\r\n")
    assert await other.line() == b"b OK NOOP completed"
    assert not greedy.reader.at_eof()
    answered = greedy.reader._buffer.count(b"a OK")  # type: ignore[attr-defined]
    assert answered < 8000


async def test_idle_ends_with_the_time_for_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.imap.idling.STILL_HERE", 0.1)
    peer = await logged_in(server)
    server.context.config = msgspec.structs.replace(server.context.config, idle_timeout=0.5)
    await send(peer, b"a IDLE\r\n")
    assert await peer.line() == b"+ idling"
    assert await peer.line() == b"* OK Still here"
    heard = await peer.closed()
    assert heard.endswith(b"* BYE Autologout, idle for too long\r\n")


async def test_idle_ends_with_done_and_nothing_else(server: Server) -> None:
    peer = await logged_in(server)
    await send(peer, b"a IDLE\r\n")
    assert await peer.line() == b"+ idling"
    await send(peer, b"b NOOP\r\n")
    assert await peer.line() == b"a BAD DONE expected"
    await send(peer, b"c IDLE\r\ndone\r\nd NOOP\r\n")
    assert await until(peer, b"d ") == b"+ idling\r\nc OK IDLE completed\r\nd OK NOOP completed\r\n"


async def test_sessions_of_a_disabled_account_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(idling, "STILL_HERE", 0.05)
    busy, idle = await logged_in(server), await logged_in(server)
    await send(idle, b"a SELECT INBOX\r\nb IDLE\r\n")
    assert b"+ idling" in await until(idle, b"+ ")
    server.people.enabled = False
    await send(busy, b"a SELECT INBOX\r\n")
    assert await busy.line() == b"* BYE Account is disabled"
    assert (await until(idle, b"* BYE")).endswith(b"* BYE Account is disabled\r\n")


async def test_another_quota_counts_in_open_sessions(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "CHECK_SECONDS", 0.0)
    peer = await logged_in(server)
    server.people.quota_bytes = 1024
    await send(peer, b'a GETQUOTA ""\r\n')
    assert await peer.line() == b'* QUOTA "" (STORAGE 0 1)'
