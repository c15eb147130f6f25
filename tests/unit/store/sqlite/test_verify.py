"""Every damage is found, named and put right; sound accounts are left as they are."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from postroom.cli.store import store as command
from postroom.contracts.account import FlagMode
from postroom.contracts.store import Delivery
from postroom.contracts.storeadmin import Finding
from postroom.store import NoNotices, open_store
from postroom.store.blobs import files
from postroom.store.sqlite.verify import verify

MESSAGE = b"Subject: %d\r\n\r\nbody\r\n"
HOUR = 3600


class FixedClock:
    def now(self) -> float:
        return 1_700_000_000

    def steady(self) -> float:
        return 0.0


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    """An account with five messages, one copied, one flagged, one expunged."""

    async def fill() -> None:
        store = open_store(str(tmp_path), NoNotices(), FixedClock())
        ada = await store.account("ada", "ada")
        for n in range(5):
            await store.deliver([Delivery("ada", f"q{n}", "a@x", b"P: x\r\n", MESSAGE % n, 1_700_000_000)])
        await ada.copy(1, [2], "Archive")
        await ada.store(1, [1], FlagMode.ADD, frozenset({"\\Seen"}))
        await ada.store(1, [3], FlagMode.ADD, frozenset({"\\Deleted"}))
        await ada.expunge(1)
        await store.close()

    asyncio.run(fill())
    return tmp_path


def found(accounts: Path, repair: bool = False) -> list[Finding]:
    return list(verify(str(accounts), "ada", repair, lambda done, total: None))


def change(accounts: Path, statement: str) -> None:
    with sqlite3.connect(accounts / "ada" / files.DATABASE) as database:
        database.execute(statement)
    database.close()


def subjects(accounts: Path, mailbox: str = "INBOX") -> set[bytes | None]:
    async def read() -> set[bytes | None]:
        store = open_store(str(accounts), NoNotices(), FixedClock())
        ada = await store.account("ada", "ada")
        box = await ada.select(mailbox, False)
        texts = {detail.envelope.subject for detail in await ada.details(box.mailbox.id, box.uids)}
        for uid in box.uids:
            await ada.content(box.mailbox.id, uid)
        await store.close()
        return texts

    return asyncio.run(read())


def message_file(accounts: Path, uid: int) -> Path:
    with sqlite3.connect(accounts / "ada" / files.DATABASE) as database:
        query = "SELECT file FROM contents WHERE id = (SELECT content FROM messages WHERE key = ?)"
        (name,) = database.execute(query, ((1 << 32) + uid,)).fetchone()
    database.close()
    return accounts / "ada" / files.MESSAGES / str(name)


def overwrite(accounts: Path, octets: bytes) -> None:
    path = message_file(accounts, 1)
    path.chmod(0o660)
    path.write_bytes(octets)


def test_a_sound_account_has_no_findings(accounts: Path) -> None:
    assert found(accounts) == []
    assert found(accounts, repair=True) == []


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "counters": (lambda a: change(a, "UPDATE mailboxes SET unseen = 77 WHERE id = 1"), "wrong counters"),
    "uidnext": (lambda a: change(a, "UPDATE mailboxes SET uidnext = 2 WHERE id = 1"), "UIDNEXT too low"),
    "modseq": (lambda a: change(a, "UPDATE mailboxes SET modseq = 1 WHERE id = 1"), "HIGHESTMODSEQ too low"),
    "uidvalidity": (lambda a: change(a, "UPDATE account SET last_uidvalidity = 5"), "UIDVALIDITY ahead"),
    "references": (lambda a: change(a, "UPDATE contents SET refs = 9 WHERE id = (SELECT max(id) FROM contents)"), "wrong count of copies"),
    "unused content": (
        lambda a: change(
            a, "INSERT INTO contents VALUES (99, (SELECT file FROM contents LIMIT 1), 21, x'', 1, x'', x'')"
        ),
        "file altered",
    ),
    "order": (
        lambda a: change(a, "UPDATE messages SET modseq = 90 WHERE key = 4294967298"),
        "mod-sequence out of order",
    ),
    "lost mailbox": (lambda a: change(a, "DELETE FROM mailboxes WHERE name = 'Archive'"), "mailbox missing"),
    "no inbox": (lambda a: change(a, "DELETE FROM mailboxes WHERE name = 'INBOX'"), "no INBOX"),
    "date": (
        lambda a: change(a, "UPDATE messages SET internal_date = 253402318799 WHERE key = 4294967298"),
        "date out of range",
    ),
    "no date": (
        lambda a: change(a, "UPDATE messages SET internal_date = 'x' WHERE key = 4294967298"),
        "date out of range",
    ),
    "structure": (
        lambda a: change(a, "UPDATE contents SET detail = x'c1' WHERE id = (SELECT max(id) FROM contents)"),
        "structure not readable",
    ),
    "altered": (lambda a: overwrite(a, b"Subject: 0\r\n\r\nBODY\r\n"), "file altered"),
    "longer": (lambda a: overwrite(a, b"Subject: 0\r\n\r\nbody and more\r\n"), "file altered"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_put_right_and_no_message_is_lost(accounts: Path, name: str) -> None:
    damage, kind = DAMAGES[name]
    damage(accounts)
    seen = found(accounts)
    assert kind in {finding.kind for finding in seen}
    assert not any(finding.repaired for finding in seen)
    assert all(finding.repaired for finding in found(accounts, repair=True))
    found(accounts, repair=True)  # what the first repair brought to light
    assert found(accounts) == []
    texts = subjects(accounts)
    if name in ("no inbox",):
        texts |= subjects(accounts, "Recovered 1")
    assert texts == {b"0", b"1", b"3", b"4"}


def test_a_missing_file_takes_its_rows_along(accounts: Path) -> None:
    message_file(accounts, 2).unlink()
    assert [finding.kind for finding in found(accounts)] == ["file missing"]
    assert [finding.repaired for finding in found(accounts, repair=True)] == [True]
    assert found(accounts) == []
    assert subjects(accounts) == {b"0", b"3", b"4"}
    assert subjects(accounts, "Archive") == set()


@pytest.mark.parametrize("name", ["'a' || char(0)", "CAST(x'ff41' AS TEXT)"])
def test_a_name_that_no_file_can_have_is_a_missing_file(accounts: Path, name: str) -> None:
    second = "SELECT content FROM messages WHERE key = 4294967298"
    change(accounts, f"UPDATE contents SET file = {name} WHERE id = ({second})")
    assert [finding.kind for finding in found(accounts)] == ["file missing"]
    assert [finding.repaired for finding in found(accounts, repair=True)] == [True]
    assert found(accounts) == []
    assert subjects(accounts) == {b"0", b"3", b"4"}


def test_litter_is_removed_only_when_old(accounts: Path) -> None:
    litter = accounts / "ada" / files.MESSAGES / "litter"
    litter.write_bytes(b"x")
    assert found(accounts, repair=True) == []
    assert litter.exists()
    before = litter.stat().st_mtime - 2 * HOUR
    os.utime(litter, (before, before))
    assert [finding.kind for finding in found(accounts)] == ["litter"]
    assert litter.exists()
    found(accounts, repair=True)
    assert not litter.exists()
    assert found(accounts) == []


@pytest.mark.damages("foreign file")
def test_what_is_no_file_is_left_alone(accounts: Path) -> None:
    (accounts / "ada" / files.MESSAGES / "link").symlink_to("/etc/passwd")
    assert [(finding.kind, finding.repaired) for finding in found(accounts, repair=True)] == [
        ("foreign file", False)
    ]
    assert (accounts / "ada" / files.MESSAGES / "link").is_symlink()


def test_a_database_that_cannot_be_read_is_built_anew(accounts: Path) -> None:
    database = accounts / "ada" / files.DATABASE
    database.write_bytes(b"not a database, sorry" * 1000)
    assert [(finding.kind, finding.repaired) for finding in found(accounts)] == [("database damaged", False)]
    assert [(finding.kind, finding.repaired) for finding in found(accounts, repair=True)] == [
        ("database damaged", True)
    ]
    assert found(accounts) == []
    assert subjects(accounts, "Recovered") == {b"0", b"1", b"3", b"4"}
    assert [path.name for path in (accounts / "ada").glob("*.damaged-*")] != []


def test_the_command(accounts: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(command, [*arguments, "--accounts-directory", str(accounts)])
        return result.exit_code, result.output

    assert run("verify") == (0, "1 accounts verified: 0 problems, 0 repaired\n")
    change(accounts, "UPDATE mailboxes SET messages = 7 WHERE id = 1")
    code, text = run("verify", "ada")
    assert code == 1
    assert "wrong counters: INBOX: [7, 3, 0, " in text
    code, text = run("verify", "--repair", "--json")
    assert code == 0
    assert '"wrong":0' in text
    assert run("verify", "nobody")[0] == 1
    assert run("verify", "../ada")[0] == 1
    assert "ada" in run("list")[1]
    assert '"messages":5' in run("list", "--json")[1]
    code, text = run("show", "ada")
    assert code == 0
    assert "INBOX" in text
    assert run("show", "nobody")[0] == 1
    assert not (accounts / "nobody").exists()
