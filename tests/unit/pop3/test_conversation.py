"""Timeouts and errors of a session, on a scripted connection."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from postroom.contracts.account import Row
from postroom.contracts.auth import Login
from postroom.contracts.directory import Account
from postroom.contracts.errors import (
    LoginRefused,
    LoginThrottled,
    MailboxInUse,
    MailError,
    MessageGone,
    QuotaExceeded,
    Unavailable,
)
from postroom.entrance.admission import Admission
from postroom.pop3.config import Pop3Config
from postroom.pop3.context import Pop3Context
from postroom.pop3.conversation import PIPELINED, Conversation
from postroom.pop3.login import MaildropEntrance
from postroom.pop3.maildrop import Maildrop
from postroom.pop3.retrieving import HEAD, LARGE_PIECE
from postroom.runtime.log import Log


class Scripted:
    """Return one chunk per read, which takes ten seconds, and record the timeout of each read."""

    peer, secured, tls_version = "192.0.2.1", True, "TLSv1.3"

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)
        self.now = 0.0
        self.timeout = 300.0
        self.patience: list[float] = []
        self.said = b""
        self.closed = False

    async def read(self) -> bytes:
        self.patience.append(self.timeout)
        self.now += 10
        if self.timeout <= 0:
            raise TimeoutError
        return self.chunks.pop(0) if self.chunks else b""

    def write(self, octets: bytes) -> None:
        self.said += octets

    async def drain(self) -> None:
        return

    def trust(self) -> None:
        """Do nothing: this connection does not read in pieces."""

    def abort(self) -> None:
        self.closed = True


class EmptyMaildrop(Maildrop):
    """A maildrop without messages."""

    def __init__(self, failure: MailError | None = None) -> None:
        super().__init__(None, AsyncExitStack(), 1, 1, ())  # type: ignore[arg-type]
        self.failure = failure
        self.given_back = 0

    async def update(self) -> None:
        if self.failure:
            raise self.failure

    async def close(self) -> None:
        self.given_back += 1


class Door(MaildropEntrance):
    """An entrance that accepts every login, or refuses each with one error."""

    def __init__(self, error: MailError | None = None, maildrop: EmptyMaildrop | None = None) -> None:
        super().__init__("pop3", None, None, None)  # type: ignore[arg-type]
        object.__setattr__(self, "error", error)
        object.__setattr__(self, "maildrop", maildrop or EmptyMaildrop())

    async def admit(self, response: bytes, client: str, *, secured: bool, session: str = "") -> Admission:
        return Admission(Login("ada", "ada@a.example"), Account("ada", "ada@a.example"))

    async def open(self, account: Account) -> Maildrop:
        if self.error:  # type: ignore[attr-defined]
            raise self.error  # type: ignore[attr-defined]
        found: Maildrop = self.maildrop  # type: ignore[attr-defined]
        return found


CONFIG = Pop3Config(host_name="mail.a.example", login_timeout=35, idle_timeout=600, max_errors=4)
LOGIN = b"USER ada\r\nPASS x\r\n"


async def played(connection: Scripted, door: Door) -> list[bytes]:
    context = Pop3Context(door, CONFIG, Log("pop3"), lambda: None, lambda: connection.now)  # type: ignore[arg-type,return-value]
    await Conversation(connection, context).serve()  # type: ignore[arg-type]
    return connection.said.split(b"\r\n")[1:-1]


async def test_all_of_the_login_has_one_span_of_time() -> None:
    connection = Scripted(*[b"CAPA\r\n"] * 10)
    with pytest.raises(TimeoutError):
        await played(connection, Door())
    assert connection.patience == [35, 25, 15, 5, 0]


async def test_after_the_login_each_silence_counts_by_itself() -> None:
    connection = Scripted(LOGIN, *[b"NOOP\r\n"] * 5)
    await played(connection, Door())
    assert connection.patience == [35] + [600] * 6


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LoginRefused("x"), b"-ERR [AUTH]"),
        (LoginThrottled("x"), b"-ERR [SYS/TEMP]"),
        (MailboxInUse("x"), b"-ERR [IN-USE]"),
        (Unavailable("x"), b"-ERR [SYS/TEMP]"),
        (QuotaExceeded("x"), b"-ERR [SYS/PERM]"),
    ],
)
async def test_a_refused_login_leaves_the_state_and_allows_another(error: MailError, code: bytes) -> None:
    said = await played(Scripted(LOGIN, b"STAT\r\n", b"QUIT\r\n"), Door(error))
    assert said[1].startswith(code)
    assert said[2].startswith(b"-ERR STAT is not possible")
    assert said[3].startswith(b"+OK")


@pytest.mark.parametrize("chunks", [[LOGIN] * 9, [b"FOO\r\n"] * 9, [b"AUTH PLAIN =\r\n"] * 9])
async def test_errors_end_the_session(chunks: list[bytes]) -> None:
    connection = Scripted(*chunks)
    said = await played(connection, Door(LoginRefused("x")))
    assert sum(line.startswith(b"-ERR") for line in said) == CONFIG.max_errors
    assert len(connection.chunks) == 9 - CONFIG.max_errors


async def test_an_update_that_fails_is_told() -> None:
    maildrop = EmptyMaildrop(Unavailable("disk full"))
    said = await played(Scripted(LOGIN + b"QUIT\r\n"), Door(maildrop=maildrop))
    assert said[-1].startswith(b"-ERR [SYS/TEMP]")
    assert b"disk" not in said[-1]
    assert maildrop.given_back == 1


@pytest.mark.parametrize("rest", [[], [b"QUIT\r\n"], [b"DELE 1\r\n"], [b"x" * 9000]])
async def test_the_lock_is_given_back_however_it_ends(rest: list[bytes]) -> None:
    maildrop = EmptyMaildrop()
    await played(Scripted(LOGIN, *rest), Door(maildrop=maildrop))
    assert maildrop.given_back == 1


async def test_a_log_line_per_failure_and_no_password_in_it(capfd: pytest.CaptureFixture[str]) -> None:
    """X34"""
    await played(Scripted(b"USER ada\r\nPASS hunter2\r\n"), Door(Unavailable("auth agent is away")))
    said = capfd.readouterr().err
    assert len(said.splitlines()) == 1
    assert "hunter2" not in said


async def test_leaving_closes_whoever_waits() -> None:
    connection = Scripted()
    context = Pop3Context(Door(), CONFIG, Log("pop3"), lambda: None, lambda: 0.0)  # type: ignore[arg-type,return-value]
    conversation = Conversation(connection, context)  # type: ignore[arg-type]
    conversation.leave()
    assert connection.closed


async def test_a_flood_of_pipelined_commands_lets_others_have_their_turn() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.ensure_future(others())
    await played(Scripted(b"CAPA\r\n" * 1000), Door())
    task.cancel()
    assert turns >= 1000 // PIPELINED - 2


class OneMessage:
    """An account with one message, which counts the octets that are read of it."""

    def __init__(self, content: bytes) -> None:
        self.held = content
        self.read = 0
        self.largest = 0

    async def head(self, mailbox: int, uid: int, octets: int) -> bytes:
        return await self.piece(mailbox, uid, 0, octets)

    async def piece(self, mailbox: int, uid: int, start: int, end: int) -> bytes:
        found = self.held[start:end]
        self.read += len(found)
        self.largest = max(self.largest, len(found))
        return found


class FullMaildrop(Maildrop):
    """A maildrop with that message."""

    def __init__(self, account: OneMessage) -> None:
        row = Row(1, frozenset(), 1, 0, len(account.held))
        super().__init__(account, AsyncExitStack(), 1, 1, (row,))  # type: ignore[arg-type]

    async def update(self) -> None:
        return

    async def close(self) -> None:
        return


@pytest.mark.parametrize(
    ("lines", "most"), [(0, HEAD), (10, HEAD), (10_000, HEAD + 3 * LARGE_PIECE), (10_000_000, 1 << 30)]
)
async def test_top_reads_what_it_shows(lines: int, most: int) -> None:
    body = b"some words in a line of a long letter\r\n" * 200_000
    account = OneMessage(b"Subject: long\r\n\r\n" + body)
    connection = Scripted(LOGIN, b"TOP 1 %d\r\nQUIT\r\n" % lines)
    await played(connection, Door(maildrop=FullMaildrop(account)))  # type: ignore[arg-type]
    shown = body[: 39 * lines]
    assert b"+OK\r\nSubject: long\r\n\r\n" + shown + b".\r\n+OK bye\r\n" in connection.said
    assert account.read <= most
    assert account.largest <= LARGE_PIECE


async def test_a_message_that_breaks_off_in_top_ends_the_session() -> None:
    account = OneMessage(b"Subject: long\r\n\r\n" + b"line\r\n" * 100_000)

    async def gone(mailbox: int, uid: int, start: int, end: int) -> bytes:
        raise MessageGone

    maildrop = FullMaildrop(account)
    connection = Scripted(LOGIN, b"TOP 1 99999\r\n")
    account.head = lambda mailbox, uid, octets: OneMessage.piece(account, mailbox, uid, 0, octets)  # type: ignore[method-assign]
    account.piece = gone  # type: ignore[method-assign]
    with pytest.raises(ConnectionAbortedError):
        await played(connection, Door(maildrop=maildrop))  # type: ignore[arg-type]
