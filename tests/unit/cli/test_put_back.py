"""A person who is taken out and put back: the vault, the directory and the judge of logins agree on the password.

All parts are the real ones: what completes the vault, the document's filter, the role's module, the operator's command over real
files, and the auth agent's judge. The hosts' part is played by a temporary root.
"""

import asyncio
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner
from postroom.auth.guesses import Guesses, GuessLimits
from postroom.auth.hashing import Hasher
from postroom.auth.judge import Judge, LoginOutcome
from postroom.auth.login_cache import LoginCache
from postroom.auth.pool import HashPool
from postroom.auth.secrets import SecretStore
from postroom.cli.main import main
from postroom.directory.reader import SqliteDirectory
from postroom.runtime.clock import SystemClock
from postroom.wire.sasl import Plain

ROOT = Path(__file__).resolve().parents[3]
AUTH = 'host_name = "mail.a.example"\nargon2_memory_kib = 8\nargon2_time = 1\nargon2_parallelism = 1\n'
DOMAINS = {"a.example": {"home": "mail.a.example"}}
ADA = {"name": "Ada", "address": "ada@a.example"}
BOB = {"name": "Bob", "address": "bob@a.example"}


def load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"kit_{Path(path).stem}", ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sys.path.append(str(ROOT / "plugins"))  # plugin_utils
contents = load("plugins/plugin_utils/vault_contents.py")
drawing = load("plugins/plugin_utils/drawing.py")
filters = load("plugins/filter/company_secrets.py")
documents = load("plugins/filter/directory_document.py")
module = load("plugins/modules/directory_apply.py")


class Company:
    """An inventory with its vault, and the company's one host."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.vault: dict[str, Any] = {}
        for name in ("directory", "secrets", "accounts"):
            (root / "var/lib/postroom" / name).mkdir(parents=True)
        (root / "etc/postroom").mkdir(parents=True)
        (root / "etc/postroom/auth.toml").write_text(AUTH)

    def complete(self, people: dict[str, Any], today: str = "2026-11-01", name: str = "A") -> dict[str, Any]:
        """Complete the vault, as playbooks/secrets.yml does."""
        companies = [{"name": name, "people": people, "domains": {}}]
        self.vault = contents.completed(self.vault, companies, today, drawing.Drawn())
        return self.passwords(name)

    def passwords(self, name: str = "A") -> dict[str, Any]:
        """First passwords in the vault."""
        found: dict[str, Any] = self.vault.get("companies", {}).get(name, {}).get("first_passwords", {})
        return found

    def run(
        self, people: dict[str, Any], today: str = "2026-11-01", name: str = "A", check: bool = False
    ) -> list[str]:
        """Complete the vault and apply the directory; return what the run says about passwords."""
        passwords = self.complete(people, today, name)
        given = {
            "document": documents.document(people, DOMAINS, {}, "ada"),
            "first_passwords": passwords,
            "first_password_ids": filters.password_ids(passwords, self.vault["first_password_key"]),
        }
        words = ["directory", "apply", *(["--check"] if check else []), "--diff", "-"]
        said = self.command(*words, given=json.dumps(module.whole(given)))
        return [line for line in said.splitlines() if "password" in line]

    def command(self, *words: str, given: str = "") -> str:
        result = CliRunner(env={"POSTROOM_ROOT": str(self.root)}).invoke(main, words, input=given)
        assert result.exit_code == 0, result.output
        assert not any(word in result.output for word in self.passwords().values())
        return result.stdout

    def first(self, person: str = "bob", name: str = "A") -> str:
        password: str = self.passwords(name)[person]
        return password

    def logs_in(self, password: str, person: str = "bob") -> bool:
        """Whether the auth agent's judge takes the password."""

        async def judged() -> LoginOutcome:
            state, clock = self.root / "var/lib/postroom", SystemClock()
            store, pool = SecretStore(state / "secrets/secrets.db"), HashPool(Hasher(8, 1, 1), 2, 100)
            guesses = Guesses(
                GuessLimits(per_account=9, per_client=9, window=9.0, delay=0.0, delay_maximum=0.0)
            )
            people = SqliteDirectory(state / "directory/directory.db", clock.steady)
            judge = Judge(people, store, pool, guesses, LoginCache(0), clock)
            try:
                return (await judge.judge(Plain(f"{person}@a.example", password), "192.0.2.7")).outcome
            finally:
                pool.close()
                store.close()

        return asyncio.run(judged()) is LoginOutcome.ACCEPTED


@pytest.fixture
def company(tmp_path: Path) -> Company:
    """Ada and Bob work there, and have logged in with their first passwords."""
    found = Company(tmp_path)
    found.run({"ada": ADA, "bob": BOB})
    assert found.logs_in(found.first())
    return found


def test_who_is_put_back_soon_has_the_first_password_from_before(company: Company) -> None:
    before = company.first()
    company.run({"ada": ADA}, "2026-11-02")
    assert not company.logs_in(before)
    assert "bob" not in company.passwords()
    said = company.run({"ada": ADA, "bob": BOB}, "2026-12-01")
    assert said == ["= account bob is back; the first password is still valid"]
    assert company.first() == before
    assert company.logs_in(before)
    assert company.run({"ada": ADA, "bob": BOB}, "2026-12-02") == []


def test_a_password_of_ones_own_comes_back_and_the_run_says_that_the_first_does_not_hold(
    company: Company,
) -> None:
    company.command("user", "passwd", "bob", given="his own\n")
    company.run({"ada": ADA}, "2026-11-02")
    checked = company.run({"ada": ADA, "bob": BOB}, "2026-11-03", check=True)
    said = company.run({"ada": ADA, "bob": BOB}, "2026-11-03")
    assert said == ["= account bob is back; the previous password is valid, the given first password is not"]
    assert checked == said
    assert company.logs_in("his own")
    assert not company.logs_in(company.first())


@pytest.mark.parametrize("runs_between", [(), ("2026-12-20",)])
def test_who_is_put_back_late_gets_a_new_first_password_that_holds(
    company: Company, runs_between: tuple[str, ...]
) -> None:
    """Neither the old first password, which many may know by now, nor the own one opens the mailbox."""
    old = company.first()
    company.command("user", "passwd", "bob", given="his own\n")
    company.run({"ada": ADA}, "2026-11-02")
    for day in runs_between:
        company.run({"ada": ADA}, day)
        assert "former_first_passwords" not in company.vault["companies"]["A"]
    said = company.run({"ada": ADA, "bob": BOB}, "2027-03-01")
    assert said == ["* account bob first password set; the previous password is no longer valid"]
    assert company.logs_in(company.first())
    assert not company.logs_in("his own")
    assert not company.logs_in(old)
    assert company.run({"ada": ADA, "bob": BOB}, "2027-03-01") == []


def test_who_is_put_back_after_a_deletion_begins_anew(company: Company) -> None:
    old = company.first()
    company.run({"ada": ADA, "bob": {**BOB, "state": "deleted"}}, "2026-11-02")
    assert old not in json.dumps(company.vault)
    assert company.run({"ada": ADA, "bob": BOB}, "2026-11-03") == ["* account bob first password set"]
    assert company.logs_in(company.first())
    assert not company.logs_in(old)


def test_a_deletion_that_the_host_never_saw_is_told(company: Company) -> None:
    """The vault was completed, the host was not reached: its account was never out of use."""
    old = company.first()
    company.complete({"ada": ADA, "bob": {**BOB, "state": "deleted"}}, "2026-11-02")
    said = company.run({"ada": ADA, "bob": BOB}, "2026-11-03")
    assert said == ["= account bob keeps its password; the given first password is not valid"]
    assert company.logs_in(old)
    assert not company.logs_in(company.first())
    assert company.run({"ada": ADA, "bob": BOB}, "2026-11-03") == []


def test_a_deletion_that_was_cut_off_leaves_nothing_to_who_comes_back(company: Company) -> None:
    """The host marked the account as deleted, and was ended before password and mailbox went."""
    old, store = company.first(), SecretStore(company.root / "var/lib/postroom/secrets/secrets.db")
    verifier = store.verifier("bob") or ""
    company.run({"ada": ADA, "bob": {**BOB, "state": "deleted"}}, "2026-11-02")
    store.set("bob", verifier, 1)
    store.close()
    mailbox = company.root / "var/lib/postroom/accounts/bob/messages"
    mailbox.mkdir(parents=True)
    assert company.run({"ada": ADA, "bob": BOB}, "2026-11-03") == ["* account bob first password set"]
    assert company.logs_in(company.first())
    assert not company.logs_in(old)
    assert not mailbox.exists()


@pytest.mark.parametrize("between", ["at work", "taken out"])
def test_a_lost_vault_draws_anew_and_the_run_says_what_holds(company: Company, between: str) -> None:
    old = company.first()
    if between == "taken out":
        company.run({"ada": ADA}, "2026-11-02")
    company.vault = {}
    said = company.run({"ada": ADA, "bob": BOB}, "2026-11-03")
    ada = "= account ada keeps its password; the given first password is not valid"
    if between == "taken out":
        assert said == [
            ada,
            "* account bob first password set; the previous password is no longer valid",
        ]
        assert company.logs_in(company.first())
        assert not company.logs_in(old)
    else:
        assert said == [ada, "= account bob keeps its password; the given first password is not valid"]
        assert company.logs_in(old)
    assert company.run({"ada": ADA, "bob": BOB}, "2026-11-03") == []


def test_a_renamed_company_is_told_that_its_new_first_passwords_do_not_hold(company: Company) -> None:
    old = company.first()
    said = company.run({"ada": ADA, "bob": BOB}, name="B")
    assert len(said) == 2
    assert all("keeps its password; the given first password is not valid" in line for line in said)
    assert company.logs_in(old)


def test_a_first_password_changed_in_the_vault_is_told(company: Company) -> None:
    old = company.first()
    company.passwords()["bob"] = "of the operator's own choice"
    said = company.run({"ada": ADA, "bob": BOB})
    assert said == ["= account bob keeps its password; the given first password is not valid"]
    assert company.logs_in(old)


def test_disabled_people_come_back_as_they_were(company: Company) -> None:
    company.command("user", "passwd", "bob", given="his own\n")
    company.run({"ada": ADA, "bob": {**BOB, "state": "disabled"}})
    assert not company.logs_in("his own")
    said = company.run({"ada": ADA, "bob": BOB}, "2027-11-01")
    assert said == ["= account bob is back; the previous password is valid, the given first password is not"]
    assert company.logs_in("his own")


def test_who_returns_disabled_and_is_enabled_later_has_the_vaults_password(company: Company) -> None:
    old = company.first()
    company.run({"ada": ADA}, "2026-11-02")
    company.run({"ada": ADA, "bob": {**BOB, "state": "disabled"}}, "2027-11-02")
    assert company.run({"ada": ADA, "bob": BOB}, "2027-11-03") == [
        "= account bob is back; the first password is still valid"
    ]
    assert company.logs_in(company.first())
    assert not company.logs_in(old)


def test_a_host_made_by_an_earlier_release_keeps_every_password(company: Company) -> None:
    """It has noted no first password yet: what is there stands, and nothing is said of people who did not leave."""
    company.command("user", "passwd", "bob", given="his own\n")
    store = SecretStore(company.root / "var/lib/postroom/secrets/secrets.db")
    store._run("DROP TABLE first_passwords")
    store._run("PRAGMA user_version = 1")
    store.close()
    del company.vault["first_password_key"]
    assert company.run({"ada": ADA, "bob": BOB}) == []
    assert company.logs_in("his own")
