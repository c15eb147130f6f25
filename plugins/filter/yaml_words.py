"""Explain what YAML makes of words and figures without quotes, where an inventory should have text.

`name: no` is a boolean to YAML and `1001:` is an integer. problems.py leaves these keys and values to this file.
Room rule: pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

# Options whose value is text, or a list of texts.
TEXT_OPTIONS = (
    "name", "address", "aliases", "state", "send_as",
    "home", "mx", "alias_of", "catch_all", "separator", "spf_include", "policy", "subdomain_policy", "reports",
)  # fmt: skip
TEXT_VARIABLES = ("company_id", "company_name", "company_administrator", "company_client_services")
QUOTE = "put the text in quotes"
# What a key that is no word should be: quotes alone would not make it right.
MAPPINGS = {
    "company_domains": "write a mail domain such as example.org",
    "company_people": "begin the key with a letter, such as p1001",
    "company_aliases": "write an address such as info@example.org",
}
KINDS: tuple[tuple[type, str, str], ...] = (
    (bool, "a boolean", "no, off and false are false without quotes, yes, on and true are true"),
    (int, "an integer", "figures without quotes are an integer, and 010 is 8"),
    (float, "a number", "figures with a dot are a number without quotes"),
    (date, "a date", "without quotes it is no text"),
    (type(None), "null", "null, ~ and nothing at all are null without quotes"),
)


def yaml_problems(hostvars: Mapping[str, Mapping[str, Any]], names: list[str]) -> list[str]:
    """Return a sentence for each key and each value of a company that is no text where it should be."""
    found: dict[str, None] = {}
    for host in names:
        variables = hostvars[host]
        for variable in TEXT_VARIABLES:
            value = variables.get(variable)
            for entry in value if isinstance(value, list) else [value]:
                found.update(dict.fromkeys(value_problems(variable, entry)))
        for variable, remedy in MAPPINGS.items():
            where = f"{variable} of {written(variables.get('company_name'))}"
            found.update(dict.fromkeys(key_problems(where, variables.get(variable), remedy)))
            found.update(dict.fromkeys(inner_problems(where, variables.get(variable))))
    return list(found)


def key_problems(where: str, value: Any, remedy: str) -> Iterator[str]:
    for key in value if isinstance(value, Mapping) else ():
        if not isinstance(key, str):
            yield f"{where}: the key {written(key)} is {explained(key, QUOTE if isinstance(key, bool) else remedy)}"


def inner_problems(where: str, value: Any) -> Iterator[str]:
    for key, item in value.items() if isinstance(value, Mapping) else ():
        if key in TEXT_OPTIONS:
            for entry in item if isinstance(item, list) else [item]:
                yield from value_problems(f"{where}: {key}", entry)
        yield from inner_problems(f"{where}: {written(key)}", item)


def value_problems(where: str, value: Any) -> Iterator[str]:
    """A value that is missing altogether is told by problems.py."""
    if isinstance(value, bool | int | float | date):
        yield f"{where} is {written(value)}, {explained(value)}"


def explained(value: Any, remedy: str = QUOTE) -> str:
    """Return what YAML takes the value for, why, and the remedy."""
    for kind, words, rule in KINDS:
        if isinstance(value, kind):
            return f"{words} in YAML ({rule}): {remedy}"
    return f"{type(value).__name__} in YAML: write text"


def written(value: Any) -> str:
    """Return a value as it is written in YAML: `false`, not `False`."""
    return {"True": "true", "False": "false", "None": "null"}.get(str(value), str(value))


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"postroom_yaml_problems": yaml_problems}
