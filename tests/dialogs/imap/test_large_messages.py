"""Messages too large to be held as a whole: a budget when they come in, pieces when they go out."""

import asyncio
import random

import pytest
from postroom.contracts.account import FlagMode
from postroom.imap import bodies, octets
from postroom.store.sqlite.account import SqliteAccount

from .conftest import Server, ask, logged_in, send, until

SECRET = b"Subject: for ada's eyes\r\n\r\nmarker-of-ada\r\n"


async def test_large_messages_go_through_whole(server: Server) -> None:
    peer = await logged_in(server)
    mail = b"Subject: large\r\n\r\n" + bytes(random.Random(3).choices(b"abcdefgh\t ", k=900_000)) + b"\r\n"
    await send(peer, b"a APPEND INBOX {%d+}\r\n" % len(mail) + mail + b"\r\nb SELECT INBOX\r\n")
    assert b"b OK" in await until(peer, b"b ")
    await send(peer, b"c FETCH 1 (BODY.PEEK[] BODY.PEEK[TEXT]<100000.300000>)\r\n")
    start = b"* 1 FETCH (BODY[] {%d}\r\n" % len(mail)
    heard = await peer.reader.readexactly(len(start) + len(mail))
    assert heard == start + mail
    middle = b" BODY[TEXT]<100000> {300000}\r\n"
    heard = await peer.reader.readexactly(len(middle) + 300_000)
    assert heard == middle + mail[18:][100_000:400_000]
    assert await until(peer, b"c ") == b")\r\nc OK FETCH completed\r\n"


async def test_large_messages_wait_for_room(server: Server) -> None:
    budget = server.context.incoming
    budget.octets = 1 << 20
    ada, bob = await logged_in(server), await logged_in(server, "bob", "geheim")
    await send(ada, b"a APPEND INBOX {900000}\r\n")
    assert (await ada.line()).startswith(b"+ ")
    await send(bob, b"a APPEND INBOX {800000+}\r\n" + b"x" * 400_000)
    async with asyncio.timeout(60):
        while not budget.waiting:
            await asyncio.sleep(0.01)
    await send(ada, b"x" * 900_000 + b"\r\n")
    assert (await ada.line()).startswith(b"a OK")
    await send(bob, b"x" * 400_000 + b"\r\n")
    assert (await bob.line()).startswith(b"a OK")
    assert budget.held == 0


async def test_a_large_message_that_breaks_off_gives_its_room_back(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = server.context.incoming
    leaving, slow = await logged_in(server), await logged_in(server, "bob", "geheim")
    await send(leaving, b"a APPEND INBOX {900000}\r\n")
    assert (await leaving.line()).startswith(b"+ ")
    assert budget.held == 900_000
    leaving.writer.close()
    async with asyncio.timeout(60):
        while budget.held:
            await asyncio.sleep(0.01)
    monkeypatch.setattr(octets, "ROOM_SECONDS", 0.05)
    monkeypatch.setattr(octets, "SLOWEST", 1 << 30)
    await send(slow, b"a APPEND INBOX {900000}\r\n")
    assert await until(slow, b"* BYE") == b"+ OK\r\n* BYE Autologout, idle for too long\r\n"
    assert budget.held == 0


async def test_who_waits_for_room_too_long_is_sent_away(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.context.incoming.octets = 1 << 20
    await server.context.incoming.take("bob", 1 << 20)
    monkeypatch.setattr(octets, "ROOM_SECONDS", 0.05)
    peer = await logged_in(server)
    await send(peer, b"a APPEND INBOX {900000}\r\n")
    assert (await until(peer, b"* BYE")).startswith(b"* BYE Too many large messages")


async def test_messages_too_large_to_be_held_are_sent_piece_by_piece(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await logged_in(server)
    mail = (
        b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst part\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n" + b"<p>second part</p>\r\n" * 50 + b"--b--\r\n"
    )
    await server.deliver("ada", mail)
    wanted = (
        b"UID FETCH 1 (BODY.PEEK[] BODY.PEEK[TEXT] BODY.PEEK[2]<3.500> BODY.PEEK[2]<90000.1> BODY.PEEK[2.MIME]"
        b" BODY.PEEK[3] BODY.PEEK[HEADER.FIELDS (Subject)] BODY.PEEK[1]<2.4> RFC822.SIZE)\r\n"
    )
    await send(peer, b"a SELECT INBOX\r\n")
    await until(peer, b"a ")
    await send(peer, b"b " + wanted)
    end = b"\r\nb OK UID FETCH completed\r\n"
    whole = await peer.reader.readuntil(end)
    monkeypatch.setattr(bodies, "LARGE", 10)
    monkeypatch.setattr(bodies, "LARGE_PIECE", 7)
    await send(peer, b"b " + wanted)
    assert await peer.reader.readuntil(end) == whole


async def test_a_message_that_is_expunged_while_it_is_sent_is_sent_whole(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "LARGE", 10)
    monkeypatch.setattr(bodies, "LARGE_PIECE", 7)
    read = SqliteAccount.piece

    async def vanishing(self: SqliteAccount, mailbox: int, uid: int, start: int, end: int) -> bytes:
        if start == 7:
            await self.store(mailbox, (uid,), FlagMode.ADD, frozenset({"\\Deleted"}))
            await self.expunge(mailbox)
        return await read(self, mailbox, uid, start, end)

    monkeypatch.setattr(SqliteAccount, "piece", vanishing)
    await server.deliver("ada", SECRET)
    peer = await logged_in(server)
    await ask(peer, b"SELECT INBOX")
    assert await ask(peer, b"FETCH 1 BODY.PEEK[]") == (
        b"* 1 FETCH (BODY[] {%d}\r\n" % len(SECRET) + SECRET + b")\r\nq OK FETCH completed\r\n"
    )
    assert b"* 1 EXPUNGE\r\n" in await ask(peer, b"NOOP")
