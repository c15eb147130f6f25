"""The directory's document out of an inventory, accepted by the directory's own reader."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from postroom.directory.reading import read_document

FILE = Path(__file__).resolve().parents[2] / "plugins/filter/directory_document.py"
specification = importlib.util.spec_from_file_location("directory_document", FILE)
assert specification
assert specification.loader
directory_document = importlib.util.module_from_spec(specification)
specification.loader.exec_module(directory_document)

PEOPLE: dict[str, Any] = {
    "ada": {
        "name": "Ada Lovelace",
        "address": "ada@alpha.example",
        "aliases": ["info@alpha.example"],
        "quota": "2 GB",
    },
    "charles": {"name": "Charles Babbage", "address": "charles@alpha.example"},
}
DOMAINS: dict[str, Any] = {
    "alpha.example": {"home": "mail.alpha.example", "catch_all": "charles@alpha.example"},
    "labs.example": {"home": "mail.alpha.example", "alias_of": "alpha.example"},
}


def document(
    people: Any = PEOPLE, domains: Any = DOMAINS, aliases: Any = None, **more: Any
) -> dict[str, Any]:
    found: dict[str, Any] = directory_document.document(people, domains, aliases or {}, "ada", **more)
    read_document(json.dumps(found).encode())  # raises where the agents would refuse it
    return found


def aliases(found: dict[str, Any]) -> dict[str, list[str]]:
    return {alias["address"]: alias["members"] for alias in found["aliases"]}


def test_people_become_accounts() -> None:
    ada, charles = document()["accounts"]
    assert ada == {
        "id": "ada", "address": "ada@alpha.example", "name": "Ada Lovelace", "addresses": ["info@alpha.example"],
        "quota_bytes": 2_000_000_000,
    }  # fmt: skip
    assert "quota_bytes" not in charles
    assert "state" not in charles


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ({"state": "disabled"}, "disabled"),
        ({"enabled": False}, "disabled"),
        ({"state": "deleted"}, "deleted"),
    ],
)
def test_states(options: dict[str, Any], state: str) -> None:
    people = {**PEOPLE, "charles": {**PEOPLE["charles"], **options}}
    domains = {"alpha.example": {"home": "mail.alpha.example"}}
    (charles,) = [account for account in document(people, domains)["accounts"] if account["id"] == "charles"]
    assert charles["state"] == state


def test_domains_and_the_hosts_own_name() -> None:
    alpha, labs, host = document(selectors={"alpha.example": ["rsa1", "ed1"]})["domains"]
    assert alpha == {
        "name": "alpha.example", "home": "mail.alpha.example", "catch_all": ["charles@alpha.example"],
        "selectors": ["ed1", "rsa1"],
    }  # fmt: skip
    assert labs["alias_of"] == "alpha.example"
    assert host == {"name": "mail.alpha.example", "home": "mail.alpha.example"}


def test_the_administrator_receives_what_hosts_and_domains_must_receive() -> None:
    found = aliases(document())
    for address in ("root@mail.alpha.example", "postmaster@mail.alpha.example", "postmaster@alpha.example"):
        assert found[address] == ["ada@alpha.example"]
    assert "postmaster@labs.example" not in found  # an alias domain has the addresses of its real one


def test_an_address_that_somebody_has_stays_theirs() -> None:
    people = {**PEOPLE, "charles": {**PEOPLE["charles"], "aliases": ["postmaster@alpha.example"]}}
    found = aliases(document(people, aliases={"abuse@alpha.example": ["charles@alpha.example"]}))
    assert "postmaster@alpha.example" not in found
    assert found["abuse@alpha.example"] == ["charles@alpha.example"]


@pytest.mark.parametrize(
    ("size", "octets"),
    [("2 GB", 2 * 10**9), ("512 MiB", 2**29), (1000, 1000), ("1K", 1000), ("3 TiB", 3 * 2**40)],
)
def test_sizes(size: Any, octets: int) -> None:
    assert directory_document.quota_bytes(size) == octets


@pytest.mark.parametrize("size", ["", "many", "-1 GB", "0", "1.5 GB", "2 XB"])
def test_what_is_no_size_is_refused(size: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        directory_document.quota_bytes(size)
