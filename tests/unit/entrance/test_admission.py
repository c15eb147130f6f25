"""From a PLAIN message to an account, with a real directory."""

import json
from pathlib import Path

import pytest
from postroom.contracts.auth import Login, LoginAttempt
from postroom.contracts.errors import LoginRefused, Unavailable
from postroom.directory.apply import apply
from postroom.directory.reader import SqliteDirectory
from postroom.directory.reading import read_document
from postroom.entrance.admission import ACCOUNT_CLOSED, Entrance

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


def entrance(folder: Path, login: Login) -> tuple[Entrance, Judge]:
    apply(folder / "directory.db", read_document(json.dumps(DOCUMENT).encode()))
    judge = Judge(login)
    return Entrance("pop3", judge, SqliteDirectory(folder / "directory.db")), judge


@pytest.mark.parametrize("login", [Login("ada", "ada@a.example"), Login("ada@a.example", "ada@a.example")])
async def test_whoever_is_accepted_is_let_in_with_the_account(tmp_path: Path, login: Login) -> None:
    """The second login is what an auth service says that knows addresses only."""
    way, judge = entrance(tmp_path, login)
    admission = await way.admit(b"\0ada\0x", "192.0.2.1", secured=True, session="s1")
    assert admission.account.id == "ada"
    assert admission.login == Login("ada", "ada@a.example")
    assert judge.attempts == [LoginAttempt("PLAIN", b"\0ada\0x", "pop3", "192.0.2.1", True, "s1")]


@pytest.mark.parametrize("login", [Login("bob", "bob@a.example"), Login("eve", "eve@a.example")])
async def test_an_account_that_is_gone_or_disabled_is_refused(tmp_path: Path, login: Login) -> None:
    way, _ = entrance(tmp_path, login)
    with pytest.raises(LoginRefused, match=ACCOUNT_CLOSED):
        await way.admit(b"\0x\0x", "192.0.2.1", secured=True)


async def test_without_a_directory_it_is_not_possible_for_now(tmp_path: Path) -> None:
    way, _ = entrance(tmp_path, Login("ada", "ada@a.example"))
    (tmp_path / "directory.db").unlink()
    with pytest.raises(Unavailable):
        await way.admit(b"\0ada\0x", "192.0.2.1", secured=True)
