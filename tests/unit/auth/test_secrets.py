"""secrets.db."""

import os
import stat
from pathlib import Path

import pytest
from postroom.auth.secrets import SecretStore
from postroom.contracts.errors import Unavailable


def test_verifiers_come_and_go(tmp_path: Path) -> None:
    store = SecretStore(tmp_path / "secrets.db")
    assert store.verifier("ada") is None
    store.set("ada", "one", 5.0)
    assert store.verifier("ada") == "one"
    store.set("ada", "two", 6.0)
    assert store.verifier("ada") == "two"
    assert store.accounts() == {"ada"}
    assert store.remove("ada")
    assert not store.remove("ada")
    assert store.verifier("ada") is None


def test_a_first_password_never_replaces_a_persons_own(tmp_path: Path) -> None:
    store = SecretStore(tmp_path / "secrets.db")
    assert store.set_first("ada", "first", 1)
    assert not store.set_first("ada", "again", 2)
    assert store.verifier("ada") == "first"


def test_replacing_yields_to_a_change_made_meanwhile(tmp_path: Path) -> None:
    store = SecretStore(tmp_path / "secrets.db")
    store.set("ada", "changed", 1)
    store.replace("ada", "old", "renewed")
    assert store.verifier("ada") == "changed"
    store.replace("ada", "changed", "renewed")
    assert store.verifier("ada") == "renewed"


def test_a_change_by_another_process_is_seen_at_once(tmp_path: Path) -> None:
    ours, theirs = SecretStore(tmp_path / "secrets.db"), SecretStore(tmp_path / "secrets.db")
    ours.set("ada", "one", 1)
    assert theirs.verifier("ada") == "one"
    theirs.set("ada", "two", 2)
    assert ours.verifier("ada") == "two"


def test_a_restored_file_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "secrets.db"
    store, backup = SecretStore(path), SecretStore(tmp_path / "backup.db")
    store.set("ada", "now", 2)
    backup.set("ada", "then", 1)
    backup.close()
    os.replace(tmp_path / "backup.db", path)
    assert store.verifier("ada") == "then"


def test_files_belong_to_the_folders_owner_and_to_nobody_else(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    owner = 54321 if os.geteuid() == 0 else os.geteuid()
    os.chown(folder, owner, -1)
    SecretStore(folder / "secrets.db").set("ada", "one", 1)
    for file in folder.iterdir():
        status = file.stat()
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (owner, 0o600)


@pytest.mark.parametrize("make", ["missing folder", "no database", "a folder"])
def test_what_cannot_be_read_is_unavailable(tmp_path: Path, make: str) -> None:
    path = tmp_path / "gone" / "secrets.db" if make == "missing folder" else tmp_path / "secrets.db"
    if make == "no database":
        path.write_bytes(b"something else entirely" * 100)
    if make == "a folder":
        path.mkdir()
    with pytest.raises(Unavailable):
        SecretStore(path).verifier("ada")


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    """X22"""
    (tmp_path / "secrets.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unavailable):
        SecretStore(tmp_path / "secrets.db").set("ada", "one", 1)
    assert not (tmp_path / "elsewhere").exists()
