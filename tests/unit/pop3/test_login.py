"""The way in, with a real directory and a real store."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from postroom.contracts.auth import Login, LoginAttempt
from postroom.contracts.errors import LoginRefused, MailboxInUse, Unavailable
from postroom.directory.apply import apply
from postroom.directory.reader import SqliteDirectory
from postroom.directory.reading import read_document
from postroom.pop3.login import Entrance
from postroom.runtime.clock import SystemClock
from postroom.store import Silence, SqliteStore, open_store

DOCUMENT = {
    "version": 1,
    "domains": [{"name": "a.example", "home": "mail.a.example"}],
    "accounts": [
        {"id": "ada", "address": "ada@a.example"},
        {"id": "bob", "address": "bob@a.example", "state": "disabled"},
    ],
}


class Judge:
    """An auth service that accepts everybody as one login."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self.attempts: list[LoginAttempt] = []

    async def authenticate(self, attempt: LoginAttempt) -> Login:
        self.attempts.append(attempt)
        return self.login


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    (tmp_path / "accounts").mkdir()
    apply(tmp_path / "directory.db", read_document(json.dumps(DOCUMENT).encode()))
    opened = open_store(str(tmp_path / "accounts"), Silence(), SystemClock())
    yield opened
    await opened.close()


def entrance(store: SqliteStore, folder: Path, login: Login) -> tuple[Entrance, Judge]:
    judge = Judge(login)
    return Entrance(judge, SqliteDirectory(folder / "directory.db"), store), judge


@pytest.mark.parametrize("login", [Login("ada", "ada@a.example"), Login("ada@a.example", "ada@a.example")])
async def test_whoever_is_accepted_gets_the_maildrop(
    store: SqliteStore, tmp_path: Path, login: Login
) -> None:
    """The second login is what an auth service says that knows addresses only."""
    way, judge = entrance(store, tmp_path, login)
    account = await way.admit(b"\0ada\0x", "192.0.2.1", "s1")
    assert account.id == "ada"
    maildrop = await way.open(account)
    assert judge.attempts == [LoginAttempt("PLAIN", b"\0ada\0x", "pop3", "192.0.2.1", True, "s1")]
    with pytest.raises(MailboxInUse):
        await way.open(account)
    await maildrop.close()


@pytest.mark.parametrize("login", [Login("bob", "bob@a.example"), Login("eve", "eve@a.example")])
async def test_an_account_that_is_gone_or_disabled_is_refused(
    store: SqliteStore, tmp_path: Path, login: Login
) -> None:
    way, _ = entrance(store, tmp_path, login)
    with pytest.raises(LoginRefused):
        await way.admit(b"\0x\0x", "192.0.2.1", "s1")
    assert not (tmp_path / "accounts" / login.account).exists()


async def test_without_a_directory_it_is_not_possible_for_now(store: SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "directory.db").unlink()
    way, _ = entrance(store, tmp_path, Login("ada", "ada@a.example"))
    with pytest.raises(Unavailable):
        await way.admit(b"\0ada\0x", "192.0.2.1", "s1")
