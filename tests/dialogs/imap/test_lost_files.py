"""A row whose message file is missing: the log names it, and other messages are served."""

import os
from pathlib import Path

import pytest
from postroom.contracts.account import FlagMode
from postroom.imap import bodies
from postroom.store.sqlite.account import SqliteAccount

from ..runner import Peer
from .conftest import Server, ask, logged_in, send, until

REPLY = b"NO [CORRUPTION] Some of the messages cannot be read, the log says which"


class Told:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def info(self, text: str, *, client: str = "", **fields: str) -> None:
        return

    def warning(self, text: str, *, client: str = "", **fields: str) -> None:
        raise AssertionError(text)

    def error(self, text: str, *, client: str = "", **fields: str) -> None:
        self.errors.append(text)


@pytest.fixture
def told(server: Server) -> Told:
    log = server.context.log = Told()
    return log


@pytest.fixture
async def lost(server: Server, told: Told, tmp_path: Path) -> str:
    """Give Ada three messages and delete the file of the second; return its path below the accounts."""
    files = tmp_path / "accounts/ada/messages"
    known: set[str] = set()
    names = []
    for word in (b"one", b"two", b"three"):
        await server.deliver("ada", b"Subject: %b\r\n\r\nbody of %b\r\n" % (word, word))
        names.append((set(os.listdir(files)) - known).pop())
        known.add(names[-1])
    (files / names[1]).unlink()
    return f"ada/messages/{names[1]}"


async def selected(server: Server) -> Peer:
    peer = await logged_in(server)
    await send(peer, b"a SELECT INBOX\r\n")
    await until(peer, b"a ")
    return peer


@pytest.mark.damages("file missing")
@pytest.mark.parametrize("large", [1 << 20, 10])
@pytest.mark.parametrize("command", [b"FETCH", b"UID FETCH"])
async def test_the_others_are_served(
    server: Server, told: Told, lost: str, large: int, command: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "LARGE", large)
    peer = await selected(server)
    await send(peer, b"b " + command + b" 1:3 (UID BODY[TEXT])\r\n")
    heard = await until(peer, b"b ")
    assert b"body of one" in heard
    assert b"body of three" in heard
    assert b"* 2 FETCH (FLAGS (\\Recent \\Seen) UID 2)\r\n" in heard
    assert heard.endswith(b"\r\nb " + REPLY + b"\r\n")
    (line,) = told.errors
    assert line.startswith(f"message lost: account=ada mailbox='INBOX' uid=2 file={lost} is missing client=")


@pytest.mark.damages("file missing")
async def test_what_needs_no_file_is_answered(server: Server, told: Told, lost: str) -> None:
    peer = await selected(server)
    await send(peer, b"b FETCH 2 (ENVELOPE RFC822.SIZE BODYSTRUCTURE)\r\n")
    heard = await until(peer, b"b ")
    assert b'"two"' in heard
    assert heard.endswith(b"b OK FETCH completed\r\n")
    await send(peer, b"c FETCH 2 BODY.PEEK[]\r\n")
    assert await until(peer, b"c ") == b"c " + REPLY + b"\r\n"
    await send(peer, b"d FETCH 2 BODY.PEEK[HEADER]\r\n")
    assert await until(peer, b"d ") == b"d " + REPLY + b"\r\n"
    assert len(told.errors) == 2


@pytest.mark.damages("file missing")
async def test_a_search_tells_what_it_could_read(server: Server, told: Told, lost: str) -> None:
    peer = await selected(server)
    await send(peer, b"b SEARCH BODY body\r\n")
    assert await until(peer, b"b ") == (
        b"* SEARCH 1 3\r\nb OK [CORRUPTION] Some of the messages cannot be read, the log says which\r\n"
    )
    assert len(told.errors) == 1


async def test_it_can_be_copied_and_expunged(server: Server, told: Told, lost: str) -> None:
    peer = await selected(server)
    await send(peer, b"b STORE 2 +FLAGS.SILENT (\\Deleted)\r\nc EXPUNGE\r\nd FETCH 1:* BODY.PEEK[TEXT]\r\n")
    heard = await until(peer, b"d ")
    assert b"* 2 EXPUNGE" in heard
    assert heard.endswith(b"d OK FETCH completed\r\n")
    assert told.errors == []


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("removed", marks=pytest.mark.damages("file missing")),
        pytest.param("cut short", marks=pytest.mark.damages("file altered")),
    ],
)
async def test_a_file_that_is_damaged_while_it_is_sent(
    server: Server, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """A removed file stays open. With one that is cut short, only the end of the connection can end the literal."""
    monkeypatch.setattr(bodies, "LARGE", 10)
    monkeypatch.setattr(bodies, "LARGE_PIECE", 7)
    read = SqliteAccount.piece

    async def vanishing(self: SqliteAccount, mailbox: int, uid: int, start: int, end: int) -> bytes:
        if start == 7:
            for path in (tmp_path / "accounts/ada/messages").iterdir():
                path.chmod(0o600)
                path.unlink() if damage == "removed" else os.truncate(path, 7)
        return await read(self, mailbox, uid, start, end)

    monkeypatch.setattr(SqliteAccount, "piece", vanishing)
    await server.deliver("ada", b"Subject: large\r\n\r\nbody\r\n")
    peer = await selected(server)
    if damage == "removed":
        heard = await ask(peer, b"FETCH 1 BODY.PEEK[]")
        assert heard.endswith(b"\r\nbody\r\n)\r\nq OK FETCH completed\r\n")
        assert told.errors == []
    else:
        await send(peer, b"b FETCH 1 BODY.PEEK[]\r\n")
        assert await peer.closed() == b"* 1 FETCH (BODY[] {24}\r\nSubject"
        assert len(told.errors) == 1
        again = await selected(server)  # where the next attempt finds it out before it begins
        assert await ask(again, b"FETCH 1 BODY.PEEK[]") == b"q " + REPLY + b"\r\n"


async def test_expunged_by_another_is_no_damage(
    server: Server, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = SqliteAccount.content

    async def late(self: SqliteAccount, mailbox: int, uid: int) -> bytes:
        await self.store(mailbox, (uid,), FlagMode.ADD, frozenset({"\\Deleted"}))
        await self.expunge(mailbox)
        return await read(self, mailbox, uid)

    monkeypatch.setattr(SqliteAccount, "content", late)
    await server.deliver("ada", b"Subject: x\r\n\r\nbody\r\n")
    peer = await selected(server)
    await send(peer, b"b FETCH 1 BODY.PEEK[]\r\n")
    assert b"b NO [EXPUNGEISSUED]" in await until(peer, b"b ")
    assert told.errors == []
