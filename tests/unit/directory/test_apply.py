"""Comparing and replacing."""

import json
import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest
from postroom.contracts.errors import Unavailable
from postroom.directory.apply import apply, compare
from postroom.directory.database import read_records
from postroom.directory.plan import ChangeKind
from postroom.directory.reader import SqliteDirectory
from postroom.directory.reading import read_document
from postroom.directory.schema import AccountState, Document


def document(*accounts: dict[str, Any], **sections: Any) -> Document:
    whole = {
        "version": 1,
        "domains": [{"name": "a.example", "home": "mail.a.example"}],
        "accounts": list(accounts),
    }
    return read_document(json.dumps({**whole, **sections}).encode())


def person(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "address": f"{name}@a.example", **more}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "directory.db"
    apply(found, document(person("ada"), person("bob")))
    return found


def changes(path: Path, wanted: Document) -> list[tuple[str, str, ChangeKind]]:
    found = [(change.kind, change.key, change.action) for change in compare(path, wanted).changes]
    applied = [(change.kind, change.key, change.action) for change in apply(path, wanted).changes]
    assert found == applied
    assert compare(path, wanted).changes == ()
    return applied


def test_a_second_run_leaves_the_file_alone(path: Path) -> None:
    before = path.stat()
    assert apply(path, document(person("bob"), person("ada"))).changes == ()
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert os.listdir(path.parent) == ["directory.db"]


def test_comparing_makes_no_file(tmp_path: Path) -> None:
    assert len(compare(tmp_path / "directory.db", document(person("ada"))).changes) == 2
    assert os.listdir(tmp_path) == []


def test_an_empty_document_makes_a_file_that_can_be_read(tmp_path: Path) -> None:
    apply(tmp_path / "directory.db", read_document(b'{"version": 1}'))
    assert read_records(tmp_path / "directory.db") == Document(version=1)


async def test_who_is_not_named_is_disabled_and_kept(path: Path) -> None:
    assert changes(path, document(person("ada"))) == [("account", "bob", ChangeKind.DISABLED)]
    directory = SqliteDirectory(path)
    account, entry = await directory.account("bob"), await directory.entry("bob@a.example")
    assert account is not None
    assert entry is not None
    assert not account.enabled
    assert changes(path, document(person("ada"), person("bob"))) == [("account", "bob", ChangeKind.CHANGED)]


async def test_a_kept_persons_address_may_be_given_to_another(path: Path) -> None:
    wanted = document(person("ada"), aliases=[{"address": "bob@a.example", "members": ["ada@a.example"]}])
    assert ("account", "bob", ChangeKind.DISABLED) in changes(path, wanted)
    directory = SqliteDirectory(path)
    entry = await directory.entry("bob@a.example")
    assert entry is not None
    assert entry.members == ("ada@a.example",)
    assert await directory.account("bob") is not None


async def test_deleted_only_when_said_so_and_for_good(path: Path) -> None:
    assert changes(path, document(person("ada"), person("bob", state="deleted"))) == [
        ("account", "bob", ChangeKind.DELETED)
    ]
    directory = SqliteDirectory(path)
    assert await directory.account("bob") is None
    assert await directory.entry("bob@a.example") is None
    assert changes(path, document(person("ada"))) == []
    assert changes(path, document(person("ada"), person("bob"))) == [("account", "bob", ChangeKind.ADDED)]


async def test_a_renamed_address_keeps_its_account(path: Path) -> None:
    renamed = document(person("ada"), {"id": "bob", "address": "robert@a.example"})
    change = compare(path, renamed).changes[0]
    assert dict(change.fields) == {"address": ("bob@a.example", "robert@a.example")}
    apply(path, renamed)
    directory = SqliteDirectory(path)
    account = await directory.login("robert@a.example")
    assert account is not None
    assert account.id == "bob"
    assert await directory.login("bob@a.example") is None


def test_every_section_is_compared(path: Path) -> None:
    more = {
        "aliases": [{"address": "i@a.example", "members": ["ada@a.example"]}],
        "lists": [{"address": "l@a.example", "members": ["ada@a.example"], "owner": "ada@a.example"}],
        "teams": [{"address": "t@a.example", "members": ["ada@a.example"]}],
    }
    added = changes(path, document(person("ada"), person("bob"), **more))
    assert added == [
        (kind, f"{kind[0].replace('a', 'i')}@a.example", ChangeKind.ADDED)
        for kind in ("alias", "list", "team")
    ]
    more["teams"][0]["rights"] = {"send_as": False}
    assert changes(path, document(person("ada"), person("bob"), **more)) == [
        ("team", "t@a.example", ChangeKind.CHANGED)
    ]
    removed = changes(path, document(person("ada"), person("bob")))
    assert {action for _, _, action in removed} == {ChangeKind.REMOVED}


def test_passwords_reach_no_file(path: Path) -> None:
    apply(path, document(person("ada", password="hunter2"), person("bob")))
    assert b"hunter2" not in path.read_bytes()
    assert compare(path, document(person("ada", password="other"), person("bob"))).changes == ()


def test_the_file_belongs_to_its_folders_group(tmp_path: Path) -> None:
    folder = tmp_path / "directory"
    folder.mkdir()
    group = 54321 if os.geteuid() == 0 else os.getegid()
    os.chown(folder, -1, group)
    apply(folder / "directory.db", document(person("ada")))
    status = (folder / "directory.db").stat()
    assert (status.st_gid, stat.S_IMODE(status.st_mode)) == (group, 0o640)


def test_a_draft_left_by_a_killed_run_is_no_obstacle(path: Path) -> None:
    (path.parent / ".directory.db.new").write_bytes(b"half")
    apply(path, document(person("ada"), person("bob"), person("eve")))
    assert os.listdir(path.parent) == ["directory.db"]


def test_a_disk_that_refuses_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        apply(path, document(person("eve")))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["directory.db"]


@pytest.mark.parametrize("octets", [b"", b"nonsense" * 1000])
def test_a_broken_present_directory_is_not_overwritten(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "directory.db"
    path.write_bytes(octets)
    with pytest.raises(Unavailable):
        apply(path, document(person("ada")))
    assert path.read_bytes() == octets


def test_a_file_of_another_form_is_said_to_be_one(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(Unavailable, match="form 99"):
        compare(path, document(person("ada")))


def test_records_read_back(path: Path) -> None:
    found = read_records(path)
    assert found is not None
    assert [(account.id, account.state) for account in found.accounts] == [
        ("ada", AccountState.ACTIVE),
        ("bob", AccountState.ACTIVE),
    ]
