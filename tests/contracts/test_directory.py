"""What every Directory must do, run on every implementation that we have."""

import json
from pathlib import Path

import pytest
from postroom.contracts.directory import Directory, Kind
from postroom.directory.apply import apply
from postroom.directory.reader import SqliteDirectory
from postroom.directory.reading import read_document

COMPANY = {
    "version": 1,
    "domains": [
        {
            "name": "Alpha.example",
            "home": "mail.alpha.example",
            "catch_all": ["ada@alpha.example"],
            "selectors": ["s1"],
        },
        {"name": "alpha.org", "home": "mail.alpha.example", "alias_of": "alpha.example"},
    ],
    "accounts": [
        {
            "id": "ada",
            "address": "Ada@alpha.example",
            "addresses": ["ada.l@alpha.example"],
            "name": "Ada L",
            "quota_bytes": 1000,
            "limits": {"messages_per_day": 7},
            "rights": {"send_as": ["news@alpha.example"]},
        },
        {"id": "bob", "address": "bob@alpha.example", "state": "disabled"},
    ],
    "aliases": [{"address": "info@alpha.example", "members": ["ada@alpha.example", "x@other.test"]}],
    "lists": [
        {"address": "all@alpha.example", "members": ["info@alpha.example"], "owner": "ada@alpha.example"}
    ],
    "teams": [{"address": "sales@alpha.example", "members": ["ada@alpha.org", "bob@alpha.example"]}],
}


@pytest.fixture(params=["sqlite"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Directory:
    path = tmp_path / "directory.db"
    apply(path, read_document(json.dumps(COMPANY).encode()))
    return {"sqlite": SqliteDirectory}[request.param](path)


async def test_domains(directory: Directory) -> None:
    alpha = await directory.domain("alpha.example")
    assert alpha is not None
    assert (alpha.home, alpha.catch_all, alpha.separator) == (
        "mail.alpha.example",
        ("ada@alpha.example",),
        "+",
    )
    assert alpha.selectors == ("s1",)
    alias = await directory.domain("alpha.org")
    assert alias is not None
    assert alias.alias_of == "alpha.example"
    assert await directory.domain("other.test") is None


async def test_an_entry_is_exact(directory: Directory) -> None:
    entry = await directory.entry("ada.l@alpha.example")
    assert entry is not None
    assert entry.kind is Kind.ACCOUNT
    assert entry.account == await directory.account("ada")
    assert await directory.entry("ada+tag@alpha.example") is None
    assert await directory.entry("nobody@alpha.example") is None
    assert await directory.entry("ada@alpha.org") is None


async def test_what_sends_on(directory: Directory) -> None:
    info = await directory.entry("info@alpha.example")
    assert info is not None
    assert (info.kind, info.members) == (Kind.ALIAS, ("ada@alpha.example", "x@other.test"))
    everybody = await directory.entry("all@alpha.example")
    assert everybody is not None
    assert (everybody.kind, everybody.owner) == (Kind.LIST, "ada@alpha.example")
    sales = await directory.entry("sales@alpha.example")
    assert sales is not None
    assert (sales.kind, sales.members) == (Kind.TEAM, ("ada@alpha.org", "bob@alpha.example"))


async def test_accounts(directory: Directory) -> None:
    ada, bob = await directory.account("ada"), await directory.account("bob")
    assert ada is not None
    assert bob is not None
    assert (ada.address, ada.name, ada.quota_bytes, ada.messages_per_day) == (
        "ada@alpha.example",
        "Ada L",
        1000,
        7,
    )
    assert ada.enabled
    assert not bob.enabled
    assert await directory.account("eve") is None


@pytest.mark.parametrize(
    "name", ["ada@alpha.example", "ADA@Alpha.Example", "ada.l@alpha.example", "ada@alpha.org"]
)
async def test_any_address_logs_in(directory: Directory, name: str) -> None:
    account = await directory.login(name)
    assert account is not None
    assert account.id == "ada"


STRANGE = ["", "ada", "info@alpha.example", "ada+x@alpha.example", "\ud800", "ada@alpha.example\0", "'"]


@pytest.mark.parametrize("name", STRANGE)
async def test_other_names_do_not(directory: Directory, name: str) -> None:
    assert await directory.login(name) is None


async def test_senders_are_own_addresses_teams_and_grants_in_every_alias_domain(directory: Directory) -> None:
    locals_ = {"ada", "ada.l", "sales", "news"}
    wanted = {f"{local}@{domain}" for local in locals_ for domain in ("alpha.example", "alpha.org")}
    assert (await directory.rights("ada")).senders == wanted
    assert (await directory.rights("nobody")).senders == frozenset()
