"""LIST wildcards against a plain definition. RFC 3501 section 6.3.8."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postroom.wire.imap.patterns import matcher

from ....cost import processor_seconds

NAMES = st.text("ab/", max_size=14)
PATTERNS = st.text("ab/*%", max_size=12)


def plainly(pattern: str, name: str) -> bool:
    @cache
    def from_(i: int, j: int) -> bool:
        if i == len(pattern):
            return j == len(name)
        if pattern[i] in "*%":
            stops = j < len(name) and (pattern[i] == "*" or name[j] != "/")
            return from_(i + 1, j) or (stops and from_(i, j + 1))
        return j < len(name) and name[j] == pattern[i] and from_(i + 1, j + 1)

    return from_(0, 0)


@settings(max_examples=2000)
@given(PATTERNS, NAMES)
def test_matches_are_those_of_the_definition(pattern: str, name: str) -> None:
    assert matcher(pattern)(name) == plainly(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "name"), [("inbox", "INBOX"), ("inbox/%", "INBOX/x"), ("InBox*", "INBOX/x/y")]
)
def test_inbox_in_any_case(pattern: str, name: str) -> None:
    assert matcher(pattern)(name)


@pytest.mark.parametrize("unit", ["*a", "%a", "*a%b", "a*%"])
def test_x06_hostile_patterns_over_ten_thousand_names(unit: str) -> None:
    names = [("a" * (number % 30) + "/" + "ab" * 15 + str(number)) for number in range(10_000)]
    matches = matcher(unit * 100 + "x")
    assert not any(map(matches, names))
    assert processor_seconds(lambda: any(map(matches, names)), 0.1) < 0.1


def test_x06_long_hostile_names() -> None:
    names = ["ab" * 120 + str(number) for number in range(1000)]
    for pattern in ("*a" * 100 + "y", "%a" * 100 + "y", "*b%a*b%c"):
        matches = matcher(pattern)
        assert not any(map(matches, names))
        assert processor_seconds(lambda matches=matches: any(map(matches, names)), 0.1) < 0.1


def test_names_are_found_however_they_were_typed() -> None:
    assert matcher("Entwu\u0308rfe")("Entw\u00fcrfe")
    assert matcher("Entwu\u0308*")("Entw\u00fcrfe")


def test_the_longest_name_can_be_asked_for() -> None:
    name = "/".join(["a" * 249] * 4)
    assert matcher(name)(name)
