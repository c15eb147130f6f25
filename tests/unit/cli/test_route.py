"""`postroom route` as the operator types it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from postroom.cli.main import main
from postroom.cli.route import WORDS
from postroom.directory.apply import apply
from postroom.directory.reading import read_document
from postroom.policy.route import Reason

DOCUMENT = {
    "version": 1,
    "domains": [
        {"name": "a.example", "home": "mail.a.example"},
        {"name": "c.example", "home": "mail.a.example", "catch_all": ["ada@a.example"]},
        {"name": "a.org", "home": "mail.a.example", "alias_of": "a.example"},
        {"name": "e.example", "home": "mail.e.example"},
    ],
    "accounts": [
        {"id": "ada", "address": "ada@a.example"},
        {"id": "bob", "address": "bob@a.example", "state": "disabled"},
        {"id": "eve", "address": "eve@e.example"},
    ],
    "aliases": [{"address": "info@a.example", "members": ["ada@a.example", "x@outside.example"]}],
    "lists": [
        {"address": "all@a.example", "members": ["info@a.example", "bob@a.example"], "owner": "ada@a.example"}
    ],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    etc, state = tmp_path / "etc/postroom", tmp_path / "var/lib/postroom/directory"
    etc.mkdir(parents=True)
    state.mkdir(parents=True)
    (etc / "srs").write_text("sixteen-octets-or-more\n")
    (etc / "mta.toml").write_text(
        f'host_name = "mail.a.example"\nsrs_secrets_file = "{etc}/srs"\nown_addresses = ["192.0.2.7"]\n'
    )
    apply(state / "directory.db", read_document(json.dumps(DOCUMENT).encode()))
    return tmp_path


def run(root: Path, *words: str) -> Result:
    return CliRunner(env={"POSTROOM_ROOT": str(root)}).invoke(main, ["route", *words])


def said(root: Path, *words: str) -> Any:
    return json.loads(run(root, "--json", *words).stdout)


def test_the_steps_in_plain_words(root: Path) -> None:
    result = run(root, "ada+lists@a.org")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "ada+lists@a.example goes to mail.a.example (mailbox)",
        "  ada+lists@a.org is ada+lists@a.example under another name of the domain",
        "  ada+lists@a.example belongs to ada@a.example; the mda files by the part after the separator",
        "  ada+lists@a.example is the mailbox of account ada on this host",
    ]


def test_an_outside_forward_shows_its_srs_sender(root: Path) -> None:
    found = said(root, "info@a.example", "--sender", "y@elsewhere.example")
    by_hop = {one["hop"]: one for one in found["destinations"]}
    assert [step["reason"] for step in by_hop["world"]["via"]] == ["alias", "forwarded", "srs"]
    assert by_hop["world"]["sender"].startswith("SRS0=")
    assert by_hop["mailbox"]["sender"] is None
    text = run(root, "info@a.example", "--sender", "y@elsewhere.example").stdout
    assert "  x@outside.example is outside: forwarded to the MX of outside.example\n" in text
    assert "  the envelope sender is rewritten by SRS\n  with the envelope sender <SRS0=" in text
    returned = said(root, by_hop["world"]["sender"])
    assert [step["reason"] for step in returned["destinations"][0]["via"]] == ["srs-return", "relayed"]
    assert returned["destinations"][0]["address"] == "y@elsewhere.example"


def test_a_list_shows_its_owner_and_what_leads_nowhere(root: Path) -> None:
    result = run(root, "all@a.example", "--sender", "y@elsewhere.example")
    assert result.exit_code == 0
    assert (
        "is a list with the members info@a.example, bob@a.example; delivery reports go to its owner"
        in result.stdout
    )
    assert result.stdout.splitlines()[-3:] == [
        "leads nowhere",
        "  all@a.example is a list with the members info@a.example, bob@a.example;"
        " delivery reports go to its owner ada@a.example",
        "  bob@a.example belongs to account bob, which is disabled",
    ]


@pytest.mark.parametrize(
    ("address", "error", "reason"),
    [
        ("nobody@a.example", "NoSuchRecipient", "unknown"),
        ("bob@a.example", "RecipientDisabled", "disabled"),
        ("x@outside.example", "NotOurDomain", "not-ours"),
        ("SRS0=AAAAAAAA=AA=b.example=x@a.example", "NoSuchRecipient", "bad-srs"),
        ("postmaster", "NoSuchRecipient", "unknown"),
    ],
)
def test_a_refusal_says_why_and_ends_with_1(root: Path, address: str, error: str, reason: str) -> None:
    result = run(root, address)
    assert result.exit_code == 1
    assert f"refused ({error})" in result.stdout
    found = said(root, address)
    assert (found["refused"], found["destinations"]) == (error, [])
    assert [via[-1]["reason"] for via in found["dead_ends"]] == [reason]


def test_a_sender_of_ours_may_send_anywhere(root: Path) -> None:
    found = said(root, "x@outside.example", "--sender", "ada@a.example")
    assert [step["reason"] for step in found["destinations"][0]["via"]] == ["relayed"]
    assert run(root, "x@outside.example", "--sender", "y@elsewhere.example").exit_code == 1


@pytest.mark.parametrize(
    ("address", "reasons"),
    [
        ("any@c.example", ["catch-all", "mailbox"]),
        ("eve@e.example", ["home"]),
        ("ada@[127.0.0.1]", ["this-host", "mailbox"]),
        ("ada@[192.0.2.7]", ["this-host", "mailbox"]),
    ],
)
def test_other_ways(root: Path, address: str, reasons: list[str]) -> None:
    (found,) = said(root, address)["destinations"]
    assert [step["reason"] for step in found["via"]] == reasons


def test_every_reason_has_words() -> None:
    assert set(WORDS) == set(Reason)


@pytest.mark.parametrize(("words", "status"), [(["no address"], 1), ([], 2)])
def test_what_is_no_address(root: Path, words: list[str], status: int) -> None:
    assert run(root, *words).exit_code == status


def test_without_settings_or_directory_one_line_says_so(root: Path, tmp_path: Path) -> None:
    (root / "var/lib/postroom/directory/directory.db").unlink()
    result = run(root, "ada@a.example")
    assert (result.exit_code, len(result.stderr.splitlines())) == (3, 1)
    (root / "etc/postroom/mta.toml").unlink()
    result = run(root, "ada@a.example")
    assert (result.exit_code, len(result.stderr.splitlines())) == (3, 1)
    assert "--config" in result.stderr
