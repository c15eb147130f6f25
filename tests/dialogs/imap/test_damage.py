"""A damaged message ends no session: the log names it, the client gets NO or a code, and other messages are served."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from postroom.imap import bodies
from postroom.store.sqlite.database import Database

from .conftest import Server, ask, logged_in
from .test_lost_files import REPLY, Told, selected

SEARCHED = b"OK [CORRUPTION] Some of the messages cannot be read, the log says which"
WORDS = (b"one", b"two", b"three")
SECOND = "SELECT content FROM messages WHERE key = 4294967298"  # INBOX, UID 2


@pytest.fixture
def told(server: Server) -> Told:
    log = server.context.log = Told()
    return log


@pytest.fixture
async def account(server: Server, told: Told, tmp_path: Path) -> Path:
    """Return the folder of Ada's account, with three messages."""
    for word in WORDS:
        await server.deliver(
            "ada", b"From: %b@a.example\r\nSubject: %b\r\n\r\nbody of %b\r\n" % (word, word, word)
        )
    return tmp_path / "accounts/ada"


def change(account: Path, statement: str) -> None:
    """Change rows without the store."""
    database = Database(str(account), 0, 5.0)
    database.sql.execute("PRAGMA ignore_check_constraints=1")
    with database.writing():
        database.sql.execute(statement)
    database.close()


def file_of_two(account: Path) -> Path:
    database = Database(str(account), 0, 5.0)
    name = database.sql.execute("SELECT file FROM contents ORDER BY id LIMIT 1 OFFSET 1").fetchone()[0]
    database.close()
    return account / "messages" / name


def cut_short(path: Path) -> None:
    path.chmod(0o600)
    os.truncate(path, 20)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


@pytest.mark.damages("file not readable")
@pytest.mark.parametrize("spoil", [a_folder, a_link], ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("large", [1 << 20, 10])
async def test_a_file_that_cannot_be_read(
    server: Server,
    told: Told,
    account: Path,
    spoil: Callable[[Path], None],
    large: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "LARGE", large)
    spoil(file_of_two(account))
    peer = await selected(server)
    heard = await ask(peer, b"FETCH 1:3 (UID BODY.PEEK[])")
    assert heard.count(b"body of") == 2
    assert b"* 2 FETCH (UID 2)\r\n" in heard
    assert heard.endswith(b"\r\nq " + REPLY + b"\r\n")
    assert await ask(peer, b"SEARCH BODY body") == b"* SEARCH 1 3\r\nq " + SEARCHED + b"\r\n"
    assert await ask(peer, b"SEARCH HEADER Subject o") == b"* SEARCH 1\r\nq " + SEARCHED + b"\r\n"
    assert all("uid=2 " in line and "cannot be read" in line for line in told.errors)
    assert len(told.errors) == 3


@pytest.mark.damages("file altered")
async def test_a_large_file_that_is_cut_short(
    server: Server, told: Told, account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "LARGE", 10)
    cut_short(file_of_two(account))
    peer = await selected(server)
    heard = await ask(peer, b"UID FETCH 1:3 (FLAGS BODY.PEEK[])")
    assert heard.count(b"body of") == 2
    assert b"* 2 FETCH (UID 2 FLAGS (\\Recent))\r\n" in heard
    assert heard.endswith(b"\r\nq " + REPLY + b"\r\n")
    assert "uid=2 is shorter than it was" in told.errors[0]


@pytest.mark.damages("structure not readable")
@pytest.mark.parametrize("detail", ["x'c1'", "x'9101'", "''", "7"])
async def test_a_structure_that_cannot_be_read_is_made_anew(
    server: Server, told: Told, account: Path, detail: str
) -> None:
    change(
        account,
        f"UPDATE contents SET detail = {detail} WHERE id = ({SECOND})",
    )
    peer = await selected(server)
    heard = await ask(peer, b"FETCH 1:3 (ENVELOPE BODYSTRUCTURE BODY.PEEK[1])")
    assert heard.count(b"ENVELOPE") == heard.count(b"body of") == 3
    assert b'(NIL "two" ((NIL NIL "two" "a.example"))' in heard
    assert heard.endswith(b"q OK FETCH completed\r\n")
    assert await ask(peer, b"SEARCH FROM two") == b"* SEARCH 2\r\nq OK SEARCH completed\r\n"
    assert told.errors == []


@pytest.mark.damages("file missing")
async def test_neither_structure_nor_file(server: Server, told: Told, account: Path) -> None:
    file_of_two(account).unlink()
    change(
        account,
        f"UPDATE contents SET detail = x'c1' WHERE id = ({SECOND})",
    )
    peer = await selected(server)
    heard = await ask(peer, b"FETCH 1:3 (UID ENVELOPE)")
    assert heard.count(b"ENVELOPE") == 2
    assert b"* 2 FETCH (UID 2)\r\n" in heard
    assert heard.endswith(b"\r\nq " + REPLY + b"\r\n")
    assert await ask(peer, b"SEARCH SUBJECT o") == b"* SEARCH 1\r\nq " + SEARCHED + b"\r\n"
    assert all("uid=2 structure cannot be read" in line for line in told.errors)


@pytest.mark.damages("row without content")
async def test_a_row_without_content(server: Server, told: Told, account: Path) -> None:
    change(account, f"DELETE FROM contents WHERE id = ({SECOND})")
    peer = await selected(server)
    heard = await ask(peer, b"FETCH 1:3 (UID ENVELOPE BODY.PEEK[])")
    assert heard.count(b"body of") == 2
    assert b"* 2 FETCH (UID 2)\r\n" in heard
    assert heard.endswith(b"\r\nq " + REPLY + b"\r\n")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("internal_date", "'soon'", marks=pytest.mark.damages("date out of range")),
        pytest.param("internal_date", "x'00'", marks=pytest.mark.damages("date out of range")),
        pytest.param("flags", "999", marks=pytest.mark.damages("wrong counters")),
        ("flags", "'x'"),
        pytest.param("size", "'x'", marks=pytest.mark.damages("wrong counters")),
    ],
)
async def test_a_row_of_another_kind(
    server: Server, told: Told, account: Path, column: str, value: str
) -> None:
    change(account, f"UPDATE messages SET {column} = {value} WHERE key & 3 = 2")
    peer = await selected(server)
    heard = await ask(peer, b"FETCH 1:3 (FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[TEXT])")
    assert heard.count(b"INTERNALDATE") == heard.count(b"body of") == 3
    assert heard.endswith(b"q OK FETCH completed\r\n")
    assert (await ask(peer, b"SEARCH SINCE 1-Jan-1970 SMALLER 10000")).endswith(b"q OK SEARCH completed\r\n")


async def test_keywords_that_are_no_text(server: Server, told: Told, account: Path) -> None:
    change(account, "UPDATE messages SET keywords = CAST(x'ff6b' AS TEXT) WHERE key & 3 = 2")
    peer = await selected(server)
    heard = await ask(peer, b"FETCH 1:3 (FLAGS BODY.PEEK[TEXT])")
    assert heard.count(b"body of") == 3
    assert b"* 2 FETCH (FLAGS (\\Recent k) " in heard
    assert heard.endswith(b"q OK FETCH completed\r\n")
    assert await ask(peer, b"SEARCH UNSEEN") == b"* SEARCH 1 2 3\r\nq OK SEARCH completed\r\n"
    assert (await ask(peer, b"STORE 1:3 +FLAGS.SILENT (\\Seen)")).endswith(b"q OK STORE completed\r\n")
    assert told.errors == []


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("CAST(x'ff41' AS TEXT)", marks=pytest.mark.damages("file missing")),
        pytest.param("hex(zeroblob(300))", marks=pytest.mark.damages("file not readable")),
        pytest.param("'a/b'", marks=pytest.mark.damages("file not readable")),
    ],
)
async def test_a_name_of_no_file(server: Server, told: Told, account: Path, name: str) -> None:
    (account / "messages/a").touch()
    change(account, f"UPDATE contents SET file = {name} WHERE id = ({SECOND})")
    peer = await selected(server)
    heard = await ask(peer, b"FETCH 1:3 (UID BODY.PEEK[])")
    assert heard.count(b"body of") == 2
    assert b"* 2 FETCH (UID 2)\r\n" in heard
    assert heard.endswith(b"\r\nq " + REPLY + b"\r\n")
    assert await ask(peer, b"SEARCH BODY body") == b"* SEARCH 1 3\r\nq " + SEARCHED + b"\r\n"


@pytest.mark.damages("file missing")
async def test_a_mistake_of_ours_in_one_answer(server: Server, told: Told, account: Path) -> None:
    """A file name that no system call accepts stands for any fault of ours."""
    change(
        account,
        f"UPDATE contents SET file = 'a' || char(0) WHERE id = ({SECOND})",
    )
    peer = await selected(server)
    heard = await ask(peer, b"FETCH 1:3 (UID BODY.PEEK[])")
    assert heard.count(b"body of") == 2
    assert b"* 2 FETCH (UID 2)\r\n" in heard
    assert heard.endswith(b"\r\nq " + REPLY + b"\r\n")
    assert await ask(peer, b"SEARCH BODY body") == b"* SEARCH 1 3\r\nq " + SEARCHED + b"\r\n"
    assert await ask(peer, b"SEARCH HEADER SUBJECT o") == b"* SEARCH 1\r\nq " + SEARCHED + b"\r\n"
    line = told.errors[0]
    assert len(told.errors) == 3
    assert line.startswith("internal error: FETCH of mailbox='INBOX' uid=2 client=")
    assert "account=ada ValueError" in line


async def test_a_mistake_of_ours_in_a_command(server: Server, told: Told, account: Path) -> None:
    change(account, "UPDATE messages SET flags = 'x' WHERE key & 3 = 2")
    peer = await selected(server)
    assert await ask(peer, b"STORE 2 +FLAGS (\\Seen)") == (
        b"q NO [SERVERBUG] Internal error, the log says which\r\n"
    )
    assert told.errors[0].startswith("internal error: STORE client=")
    assert b"* 1 FETCH (FLAGS (\\Recent \\Seen))" in await ask(peer, b"STORE 1 +FLAGS (\\Seen)")


@pytest.mark.damages("date out of range")
async def test_news_about_a_damaged_row(server: Server, told: Told, account: Path) -> None:
    watching, acting = await selected(server), await logged_in(server)
    change(account, "UPDATE messages SET internal_date = 'x', modseq = 1000, changed = 1 WHERE key & 3 = 2")
    change(account, "UPDATE mailboxes SET modseq = 1000 WHERE name = 'INBOX'")
    assert b"* 2 FETCH (FLAGS (\\Recent))" in await ask(watching, b"NOOP")
    assert (await ask(acting, b"STATUS INBOX (MESSAGES)")).endswith(b"q OK STATUS completed\r\n")
