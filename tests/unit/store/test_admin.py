"""What an operator sees of the accounts on disk, and the errors of accounts that cannot be read."""

from pathlib import Path

import pytest
from postroom.contracts.errors import Unavailable
from postroom.store.admin import open_admin
from postroom.store.sqlite.database import Database


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    Database(str(tmp_path / "ada"), 1, 1.0).close()
    return tmp_path


def test_an_account_has_its_usage_and_its_mailboxes(accounts: Path) -> None:
    admin = open_admin(str(accounts))
    assert list(admin.accounts()) == ["ada"]
    usage = admin.usage("ada")
    assert usage is not None
    assert (usage.used, usage.messages) == (0, 0)
    assert next(box.name for box, _ in admin.mailboxes("ada") or ()) == "INBOX"
    assert list(admin.verify("ada", False, lambda done, total: None)) == []


def test_an_unknown_account_is_none_and_is_not_made(accounts: Path) -> None:
    admin = open_admin(str(accounts))
    assert admin.usage("eve") is None
    assert admin.mailboxes("eve") is None
    assert [found.kind for found in admin.verify("eve", True, lambda done, total: None)] == [
        "no such account"
    ]
    assert list(admin.accounts()) == ["ada"]


@pytest.mark.damages("database damaged")
def test_a_database_that_sqlite_cannot_read_is_unavailable(accounts: Path) -> None:
    (accounts / "ada/account.db").write_bytes(b"no database" * 1000)
    admin = open_admin(str(accounts))
    for call in (admin.usage, admin.mailboxes):
        with pytest.raises(Unavailable, match="not a database"):
            call("ada")


def test_a_name_that_no_account_can_have_is_unavailable(accounts: Path) -> None:
    with pytest.raises(Unavailable):
        open_admin(str(accounts)).usage("../ada")


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No such file"):
        open_admin(str(tmp_path / "nowhere")).accounts()
