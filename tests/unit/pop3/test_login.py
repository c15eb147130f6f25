"""Logins with a real directory and a real store."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from postroom.contracts.auth import Login, LoginAttempt
from postroom.contracts.errors import LoginRefused, MailboxInUse
from postroom.directory.apply import apply
from postroom.directory.reader import SqliteDirectory
from postroom.directory.reading import read_document
from postroom.pop3.login import MaildropEntrance
from postroom.runtime.clock import SystemClock
from postroom.store import NoNotices, SqliteStore, open_store

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
    opened = open_store(str(tmp_path / "accounts"), NoNotices(), SystemClock())
    yield opened
    await opened.close()


async def test_a_maildrop_is_opened_once_at_a_time(store: SqliteStore, tmp_path: Path) -> None:
    judge = Judge(Login("ada", "ada@a.example"))
    way = MaildropEntrance("pop3", judge, SqliteDirectory(tmp_path / "directory.db"), store)
    _, account = await way.admit(b"\0ada\0x", "192.0.2.1", secured=True)
    maildrop = await way.open(account)
    with pytest.raises(MailboxInUse):
        await way.open(account)
    await maildrop.close()


async def test_a_refused_login_makes_no_folder(store: SqliteStore, tmp_path: Path) -> None:
    judge = Judge(Login("bob", "bob@a.example"))
    way = MaildropEntrance("pop3", judge, SqliteDirectory(tmp_path / "directory.db"), store)
    with pytest.raises(LoginRefused):
        await way.admit(b"\0bob\0x", "192.0.2.1", secured=True)
    assert not (tmp_path / "accounts" / "bob").exists()
