"""What the hosts would refuse in a directory is told before the first change."""

from typing import Any

import pytest

from .conftest import load

directory_faults = load("plugins/filter/directory_faults.py")
directory_document = load("plugins/filter/directory_document.py")

HOME = "mail.alpha.example"
DOMAINS = {
    "alpha.example": {"home": HOME},
    "alpha.org": {"home": HOME, "alias_of": "alpha.example"},
}
PEOPLE = {"ada": {"name": "Ada", "address": "ada@alpha.example"}}


def faults(people: dict[str, Any], domains: dict[str, Any], aliases: dict[str, list[str]]) -> list[str]:
    document = directory_document.document(people, domains, aliases, "ada")
    found: list[str] = directory_faults.faults(document, "Alpha")
    return found


def test_a_directory_in_order_is_taken() -> None:
    assert faults(PEOPLE, DOMAINS, {"team@alpha.example": ["ada@alpha.example"]}) == []


@pytest.mark.parametrize(
    ("people", "domains", "aliases", "words"),
    [
        (
            {},
            {},
            {"a@alpha.example": ["b@alpha.example"], "b@alpha.example": ["a@alpha.example"]},
            ["aliases", "circle"],
        ),
        (
            {"bob": {"name": "Bob", "address": "bob@alpha.org"}},
            {},
            {},
            ["accounts bob: address", "bob@alpha.org"],
        ),
        ({}, {"alpha.net": {"home": HOME, "separator": "ab"}}, {}, ["domains alpha.net: separator", "'ab'"]),
        (
            {"bob": {"name": "Bob", "address": "bob@alpha.example", "send_as": ["x@beta.example"]}},
            {},
            {},
            ["accounts bob: rights.send_as[0]", "x@beta.example"],
        ),
    ],
    ids=["circle", "person in an alias domain", "separator", "foreign sender"],
)
def test_a_fault_is_told_with_company_person_and_value(
    people: dict[str, Any], domains: dict[str, Any], aliases: dict[str, list[str]], words: list[str]
) -> None:
    found = faults(PEOPLE | people, DOMAINS | domains, aliases)
    assert any(all(word in line for word in ["Alpha", *words]) for line in found), found
