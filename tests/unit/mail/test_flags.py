"""Flags have one spelling, whatever a client writes, and come back from the store as they went in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail.flags import (
    MAX_KEYWORD,
    SYSTEM_FLAGS,
    FlagError,
    flag,
    flag_set,
    keywords,
    system_bits,
)


@pytest.mark.parametrize("known", SYSTEM_FLAGS)
def test_system_flags_have_one_spelling(known: str) -> None:
    assert flag(known.upper()) == flag(known.lower()) == known


@pytest.mark.parametrize("text", ["$Forwarded", "NonJunk", "a" * MAX_KEYWORD, "x[1", "a+b"])
def test_keywords_stay_as_written(text: str) -> None:
    assert flag(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "\\", "\\Recent", "\\*", "\\Other", "a" * (MAX_KEYWORD + 1), "a b", "a\n", "ä", "(x", "x]", '"x"'],
)
def test_other_texts_are_no_flags(text: str) -> None:
    with pytest.raises(FlagError):
        flag(text)


def test_keywords_that_differ_in_case_alone_are_one() -> None:
    assert keywords(["work", "\\Seen", "Work", "WORK", "alpha"]) == ("WORK", "alpha")


@given(st.sets(st.sampled_from(SYSTEM_FLAGS)), st.sets(st.sampled_from(["$Junk", "a", "b-c", "Zed"])))
def test_a_set_comes_back_from_bits_and_words(system: set[str], words: set[str]) -> None:
    given_flags = system | words
    assert flag_set(system_bits(given_flags), " ".join(keywords(given_flags))) == given_flags
