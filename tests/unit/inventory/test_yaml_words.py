"""Words and figures that YAML reads as no text are explained for what they are, once, and nothing else is said of them."""

import re
from typing import Any

import pytest
import yaml

from .conftest import load

words = load("plugins/filter/yaml_words.py")
problems = load("plugins/filter/problems.py")
companies = load("plugins/filter/companies.py")

SOUND = """
company_id: alpha
company_name: Alpha
company_administrator: ada
company_domains:
  alpha.example: {home: mail.alpha.example}
company_people:
  ada: {name: Ada, address: ada@alpha.example}
  bob: {name: Bob, address: bob@alpha.example}
company_aliases:
  info@alpha.example: [ada@alpha.example]
host_ipv4: 192.0.2.1
"""
BOOLEAN = "a boolean in YAML (no, off and false are false without quotes, yes, on and true are true)"
INTEGER = "an integer in YAML (figures without quotes are an integer, and 010 is 8)"


def told(text: str) -> list[str]:
    """All that the preflight says of companies."""
    hostvars: dict[str, Any] = {"mail.alpha.example": yaml.safe_load(text)}
    names = list(hostvars)
    read = companies.companies(hostvars, names)
    found: list[str] = problems.problems(read, companies.hosts(hostvars, names, names))
    return found + list(words.yaml_problems(hostvars, names))


def test_an_inventory_in_order_is_silent() -> None:
    assert told(SOUND) == []


@pytest.mark.parametrize(
    ("right", "wrong", "where", "what"),
    [
        ("name: Bob", "name: no", "company_people of Alpha: bob: name is false, ", BOOLEAN),
        ("name: Bob", "name: On", "company_people of Alpha: bob: name is true, ", BOOLEAN),
        ("name: Bob", "name: 007", "company_people of Alpha: bob: name is 7, ", INTEGER),
        ("name: Bob", "name: 1.5", "company_people of Alpha: bob: name is 1.5, ", "a number in YAML"),
        (
            "name: Bob",
            "name: 2026-11-27",
            "company_people of Alpha: bob: name is 2026-11-27, ",
            "a date in YAML",
        ),
        (
            "address: bob@alpha.example",
            "address: no",
            "company_people of Alpha: bob: address is false, ",
            BOOLEAN,
        ),
        ("name: Bob", "name: Bob, state: off", "company_people of Alpha: bob: state is false, ", BOOLEAN),
        ("name: Bob", "name: Bob, aliases: [1]", "company_people of Alpha: bob: aliases is 1, ", INTEGER),
        ("name: Bob", "name: Bob, aliases: no", "company_people of Alpha: bob: aliases is false, ", BOOLEAN),
        (
            "name: Bob",
            "name: Bob, send_as: [yes]",
            "company_people of Alpha: bob: send_as is true, ",
            BOOLEAN,
        ),
        ("  bob:", "  1001:", "company_people of Alpha: the key 1001 is ", INTEGER),
        ("  bob:", "  no:", "company_people of Alpha: the key false is ", BOOLEAN),
        ("  bob:", "  ~:", "company_people of Alpha: the key null is ", "null in YAML"),
        ("  info@alpha.example:", "  4711:", "company_aliases of Alpha: the key 4711 is ", INTEGER),
        ("name: Alpha", "name: no", "company_name is false, ", BOOLEAN),
        ("name: Alpha", "name: 2026", "company_name is 2026, ", INTEGER),
        ("administrator: ada", "administrator: yes", "company_administrator is true, ", BOOLEAN),
        ("administrator: ada", "administrator: no", "company_administrator is false, ", BOOLEAN),
        (
            "host_ipv4",
            "company_client_services: no\nhost_ipv4",
            "company_client_services is false, ",
            BOOLEAN,
        ),
        (
            "host_ipv4",
            "company_client_services: [imaps, 1]\nhost_ipv4",
            "company_client_services is 1, ",
            INTEGER,
        ),
        (
            "home: mail.alpha.example",
            "home: 1",
            "company_domains of Alpha: alpha.example: home is 1, ",
            INTEGER,
        ),
        (
            "{home: mail.alpha.example}",
            "{home: mail.alpha.example, dmarc: {policy: no}}",
            "company_domains of Alpha: alpha.example: dmarc: policy is false, ",
            BOOLEAN,
        ),
        (
            "{home: mail.alpha.example}",
            "{home: mail.alpha.example, alias_of: no}",
            "company_domains of Alpha: alpha.example: alias_of is false, ",
            BOOLEAN,
        ),
        (
            "{home: mail.alpha.example}",
            "{home: mail.alpha.example, catch_all: 1}",
            "company_domains of Alpha: alpha.example: catch_all is 1, ",
            INTEGER,
        ),
    ],
)
def test_what_yaml_makes_of_it_is_said_once(right: str, wrong: str, where: str, what: str) -> None:
    assert right in SOUND
    (said,) = told(SOUND.replace(right, wrong, 1))
    assert said.startswith(f"{where}{what}")
    figures = re.match(r".*: the key (\d|null)", said)
    assert said.endswith(": put the text in quotes") is not bool(figures)


@pytest.mark.parametrize(("right", "wrong"), [("name: Bob", "name: 'no'"), ("  bob:", "  'no':")])
def test_the_remedy_helps(right: str, wrong: str) -> None:
    assert told(SOUND.replace(right, wrong)) == []


def test_a_key_of_figures_in_quotes_is_no_persons_key() -> None:
    (said,) = told(SOUND.replace("  bob:", "  '1001':"))
    assert "1001: the key is the mailbox's lasting name" in said
    assert "a letter first" in said


@pytest.mark.parametrize("value", ["'no'", "1", "''"])
def test_what_should_be_a_boolean_is_none(value: str) -> None:
    (said,) = told(SOUND.replace("name: Bob", f"name: Bob, enabled: {value}"))
    assert "bob: enabled is " in said
    assert "write true or false, without quotes" in said
