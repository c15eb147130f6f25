"""`postroom` as the operator types it, in a host's folders below a temporary root."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from postroom.auth.hashing import Hasher
from postroom.auth.secrets import SecretStore
from postroom.cli.main import COMMANDS, main
from postroom.cli.output import octets
from postroom.store.sqlite.database import Database

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "domains": [
        {"name": "a.example", "home": "mail.a.example", "catch_all": ["ada@a.example"]},
        {"name": "a.org", "home": "mail.a.example", "alias_of": "a.example"},
    ],
    "accounts": [
        {
            "id": "ada",
            "address": "ada@a.example",
            "name": "Ada L",
            "quota_bytes": 2**30,
            "password": "first one",
        },
        {"id": "bob", "address": "bob@a.example", "addresses": ["robert@a.example"], "state": "disabled"},
    ],
    "aliases": [{"address": "info@a.example", "members": ["ada@a.example"]}],
    "lists": [{"address": "all@a.example", "members": ["ada@a.example"], "owner": "bob@a.example"}],
}
AUTH = 'host_name = "mail.a.example"\nargon2_memory_kib = 8\nargon2_time = 1\nargon2_parallelism = 1\n'


class Host:
    """The root of a host, and its operator."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "var/lib/postroom"
        for name in ("directory", "secrets", "accounts"):
            (self.state / name).mkdir(parents=True)
        (root / "etc/postroom").mkdir(parents=True)
        (root / "etc/postroom/auth.toml").write_text(AUTH)

    def run(self, *words: str, given: object = None) -> Result:
        text = given if isinstance(given, str | None) else json.dumps(given)
        return CliRunner(env={"POSTROOM_ROOT": str(self.root)}).invoke(main, words, input=text)

    def said(self, *words: str, given: object = None) -> Any:
        """The JSON that a command printed."""
        result = self.run(*words, given=given)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def verifier(self, account: str) -> str | None:
        store = SecretStore(self.state / "secrets/secrets.db")
        found = store.verifier(account)
        store.close()
        return found


@pytest.fixture
def empty(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def host(empty: Host) -> Host:
    assert empty.run("directory", "apply", "-", given=DOCUMENT).exit_code == 0
    return empty


def keys(changes: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(change["action"], change["key"]) for change in changes]


def matches(password: str, verifier: str | None) -> bool:
    return verifier is not None and Hasher(8, 1, 1).matches(password, verifier)


def test_check_tells_all_and_makes_nothing(empty: Host) -> None:
    said = empty.said("directory", "apply", "--check", "--json", "-", given=DOCUMENT)
    assert (said["changed"], said["checked"]) == (True, True)
    assert ("added", "ada") in keys(said["changes"])
    assert ("password", "ada") in keys(said["changes"])
    assert not any(any(folder.iterdir()) for folder in empty.state.iterdir())
    applied = empty.said("directory", "apply", "--json", "-", given=DOCUMENT)
    assert applied["changes"] == said["changes"]


def test_a_second_run_changes_nothing(host: Host) -> None:
    before = [path.stat().st_mtime_ns for path in sorted(host.state.glob("*/*"))]
    assert host.said("directory", "apply", "--json", "-", given=DOCUMENT)["changed"] is False
    assert host.run("directory", "apply", "-", given=DOCUMENT).stdout == "no changes\n"
    assert [path.stat().st_mtime_ns for path in sorted(host.state.glob("*/*"))] == before


def test_diff_is_one_line_for_each_object_and_hides_passwords(empty: Host) -> None:
    said = empty.run("directory", "apply", "--diff", "-", given=DOCUMENT)
    assert "+ account ada added" in said.stdout.splitlines()
    assert "* account ada first password set" in said.stdout.splitlines()
    assert "first one" not in said.output


def test_a_first_password_never_replaces_a_later_one(host: Host) -> None:
    assert matches("first one", host.verifier("ada"))
    assert host.run("user", "passwd", "ada@a.example", given="her own\n").exit_code == 0
    host.run("directory", "apply", "-", given=DOCUMENT)
    assert matches("her own", host.verifier("ada"))


def test_faults_are_listed_and_nothing_changes(host: Host) -> None:
    wrong = json.loads(json.dumps(DOCUMENT))
    wrong["accounts"][0]["quota_bytes"] = -1
    wrong["accounts"][1]["address"] = "bob@b.example"
    wrong["accounts"].append({"id": "eve", "address": "eve@a.example", "password": "x"})
    said = host.run("directory", "apply", "-", given=wrong)
    assert said.exit_code == 1
    lines = said.stderr.splitlines()
    assert lines[0].startswith("accounts[0].quota_bytes = -1: ")
    assert "nothing was changed: " in lines[-1]
    assert host.verifier("eve") is None
    as_json = host.run("directory", "apply", "--json", "-", given=wrong)
    assert {problem["path"] for problem in json.loads(as_json.stdout)["problems"]} >= {"accounts[1].address"}


def test_deleting_takes_mail_and_password_and_only_those(host: Host) -> None:
    for name in ("ada", "bob"):
        (host.state / "accounts" / name / "messages").mkdir(parents=True)
    host.run("user", "passwd", "bob", given="x\n")
    gone = json.loads(json.dumps(DOCUMENT))
    gone["accounts"][1]["state"] = "deleted"
    gone["lists"] = []
    assert ("deleted", "bob") in keys(
        host.said("directory", "apply", "--json", "--check", "-", given=gone)["changes"]
    )
    assert (host.state / "accounts/bob").exists()
    assert ("deleted", "bob") in keys(host.said("directory", "apply", "--json", "-", given=gone)["changes"])
    assert sorted(os.listdir(host.state / "accounts")) == ["ada"]
    assert host.verifier("bob") is None
    assert host.verifier("ada") is not None
    assert host.said("directory", "apply", "--json", "-", given=gone)["changed"] is False


def test_a_deletion_that_was_cut_off_is_finished_by_the_next_run(host: Host) -> None:
    gone = json.loads(json.dumps(DOCUMENT))
    gone["accounts"][1]["state"] = "deleted"
    gone["lists"] = []
    host.run("directory", "apply", "-", given=gone)
    (host.state / "accounts/.deleted-bob/messages").mkdir(parents=True)
    assert keys(host.said("directory", "apply", "--json", "-", given=gone)["changes"]) == [("deleted", "bob")]
    assert os.listdir(host.state / "accounts") == []


def test_a_planted_link_in_place_of_a_mailbox_leads_nowhere(host: Host, tmp_path: Path) -> None:
    """X22"""
    (tmp_path / "precious").mkdir()
    (host.state / "accounts/bob").symlink_to(tmp_path / "precious")
    gone = json.loads(json.dumps(DOCUMENT))
    gone["accounts"][1]["state"] = "deleted"
    gone["lists"] = []
    assert host.run("directory", "apply", "-", given=gone).exit_code == 0
    assert (tmp_path / "precious").is_dir()


def test_show_prints_what_apply_takes(host: Host, tmp_path: Path) -> None:
    shown = host.run("directory", "show").stdout
    (tmp_path / "again.json").write_text(shown)
    assert "first one" not in shown
    assert host.run("directory", "apply", str(tmp_path / "again.json")).stdout == "no changes\n"


def test_users_are_listed_and_shown(host: Host) -> None:
    listed = host.run("user", "list").stdout.splitlines()
    assert listed[0].split() == ["ID", "ADDRESS", "NAME", "STATE", "QUOTA"]
    assert listed[1].split() == ["ada", "ada@a.example", "Ada", "L", "active", "1", "GiB"]
    assert [account["id"] for account in host.said("user", "list", "--json", "--state", "disabled")] == [
        "bob"
    ]
    assert host.said("user", "list", "--json", "--domain", "b.example") == []
    for name in ("ada", "ADA@a.example", "ada@a.org"):
        assert host.said("user", "show", "--json", name)["member_of"] == ["all@a.example", "info@a.example"]
    assert "robert@a.example" in host.run("user", "show", "robert@a.example").stdout


def test_aliases_and_domains_are_listed_and_shown(host: Host) -> None:
    assert [each["kind"] for each in host.said("alias", "list", "--json")] == ["list", "alias"]
    assert host.said("alias", "show", "--json", "all@a.example")["owner"] == "bob@a.example"
    assert "info@a.example" in host.run("alias", "list", "--domain", "a.example").stdout
    assert [each["name"] for each in host.said("domain", "list", "--json")] == ["a.example", "a.org"]
    assert host.said("domain", "show", "--json", "A.example")["accounts"] == 2
    assert "mail.a.example" in host.run("domain", "show", "a.example").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("user", "show", "eve"),
        ("user", "passwd", "eve"),
        ("alias", "show", "x@a.example"),
        ("domain", "show", "b.example"),
    ],
)
def test_who_is_not_there_is_said_in_one_line(host: Host, words: tuple[str, ...]) -> None:
    result = host.run(*words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert "list`" in result.stderr


@pytest.mark.parametrize(
    "words", [("user", "list"), ("alias", "list"), ("domain", "list"), ("directory", "show")]
)
def test_without_a_directory_the_line_says_how_to_make_one(empty: Host, words: tuple[str, ...]) -> None:
    result = empty.run(*words)
    assert result.exit_code == 3
    assert "postroom directory apply" in result.stderr
    assert not any((empty.state / "directory").iterdir())


@pytest.mark.parametrize("given", ["", "\n", "x" * 1025 + "\n"])
def test_an_unusable_password_changes_nothing(host: Host, given: str) -> None:
    assert host.run("user", "passwd", "--stdin", "ada", given=given).exit_code == 1
    assert matches("first one", host.verifier("ada"))


def test_passwords_may_hold_anything_but_line_ends(host: Host) -> None:
    assert host.run("user", "passwd", "--stdin", "ada", given="  Grün $& \n").exit_code == 0
    assert matches("  Grün $& ", host.verifier("ada"))


def test_missing_folders_end_with_one_line(host: Host, tmp_path: Path) -> None:
    for words in (
        ("user", "passwd", "ada", "--secrets", str(tmp_path / "gone/secrets.db")),
        ("directory", "apply", "-", "--directory", str(tmp_path / "gone/directory.db")),
        ("directory", "apply", str(tmp_path / "gone.json")),
    ):
        result = host.run(*words, given="x\n" if words[0] == "user" else DOCUMENT)
        assert result.exit_code == 3, result.output
        assert len(result.stderr.splitlines()) == 1


def test_settings_are_judged_by_the_agents_own_rules(host: Host) -> None:
    folder = host.root / "etc/postroom"
    assert host.run("config", "check").stdout == f"{folder}/auth.toml: ok\n"
    (folder / "imap.toml").write_text('host_name = "mail.a.example"\nworkers = 65\n')
    (folder / "cat.toml").write_text("")
    result = host.run("config", "check")
    assert result.exit_code == 1
    assert "workers = 65 is not usable: give 0 to 64" in result.stderr
    assert "no agent has this name" in result.stderr
    assert "2 of 3 files" in result.stderr.splitlines()[-1]
    said = host.run("config", "check", "--json", str(folder / "imap.toml"))
    assert json.loads(said.stdout)[0]["ok"] is False


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_in_the_table_exists_and_explains_itself(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.exception
    assert "Usage: " in result.stdout


def test_help_imports_none_of_the_commands() -> None:
    code = "import sys; from postroom.cli.main import main; main(['--help'], standalone_mode=False)"
    code += "; print(sorted(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "directory" in said
    for module in ("sqlite3", "msgspec", "rich", "passlib", "asyncio"):
        assert f"'{module}'" not in said


def test_a_reader_that_leaves_early_is_no_traceback(host: Host) -> None:
    command = [sys.executable, "-c", "from postroom.cli.main import main; main()", "directory", "show"]
    environment = {**os.environ, "POSTROOM_ROOT": str(host.root)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert isinstance(process.stdout, io.BufferedReader)
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**30, "1 GiB")]
)
def test_sizes_for_people(count: int, text: str) -> None:
    assert octets(count) == text


def test_mailboxes_are_looked_at_where_the_host_has_them(host: Host) -> None:
    assert host.said("store", "list", "--json") == []
    made = Database(str(host.state / "accounts/ada"), 1, 1.0)
    made.close()
    assert host.said("store", "list", "--json") == [{"account": "ada", "messages": 0, "octets": 0}]
    assert {row["mailbox"]["name"] for row in host.said("store", "show", "ada", "--json")} >= {
        "INBOX",
        "Sent",
    }
    assert host.said("store", "verify", "--json") == {"accounts": 1, "findings": [], "wrong": 0}


def test_accounts_that_are_not_there_are_said_to_be_so(host: Host) -> None:
    for words, code in ((("show", "eve"), 1), (("verify", "eve"), 1)):
        result = host.run("store", *words)
        assert result.exit_code == code
        assert "no such account" in result.output
    for words in (("list",), ("verify",)):
        result = host.run("store", *words, "--accounts-directory", str(host.root / "nowhere"))
        assert result.exit_code == 3
        assert "No such file or directory" in result.output
