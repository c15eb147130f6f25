"""Writing fields. RFC 5322 sections 2.1.1 and 2.2.3."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail.headers import read_headers
from postroom.mail.headertext import UnsafeText, cleaned, field, safe

printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=400)


@pytest.mark.parametrize("character", [*map(chr, range(32)), "\x7f", "\x80", "\u2028", "\u00e9"])
def test_x10_no_control_character_enters_a_field(character: str) -> None:
    if character == "\t":
        assert field("Subject", "a\tb") == b"Subject: a\tb\r\n"
        return
    with pytest.raises(UnsafeText):
        field("Subject", f"a{character}Bcc: x@y.example")
    assert not safe(character)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "caf\u00e9", "a\n"])
def test_x10_no_other_name_hides_in_a_name(name: str) -> None:
    with pytest.raises(UnsafeText):
        field(name, "x")


@given(printable)
def test_a_field_reads_back(value: str) -> None:
    octets = field("X-Text", value)
    (only,) = read_headers(octets + b"\r\n").fields
    assert only.raw == octets
    assert only.value.decode() == value.strip()


@given(st.lists(st.text("ab", min_size=1, max_size=20), min_size=1, max_size=60))
def test_lines_are_folded(words: list[str]) -> None:
    for line in field("X-Words", " ".join(words)).split(b"\r\n"):
        assert len(line) <= 78
        assert not line or line.strip()


def test_a_word_that_no_line_can_hold_is_refused() -> None:
    """RFC 5322 section 2.1.1: 998 octets."""
    assert len(field("A", "x" * 990)) == 995
    with pytest.raises(UnsafeText):
        field("A", "x" * 999)
    with pytest.raises(UnsafeText):
        field("A", "x" * 997)


@given(st.text(max_size=400))
def test_cleaned_text_is_safe(text: str) -> None:
    assert safe(cleaned(text))
    assert len(cleaned(text)) <= 200
