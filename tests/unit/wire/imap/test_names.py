"""Modified UTF-7. RFC 3501 section 5.1.3."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.wire.imap import names
from postroom.wire.imap.names import BadName

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=60)


@given(NAMES)
def test_names_read_back(name: str) -> None:
    assert names.decode_pattern(names.encode(name)) == name


@given(st.binary(max_size=40))
def test_one_name_has_one_spelling(octets: bytes) -> None:
    try:
        name = names.decode_pattern(octets)
    except BadName:
        return
    assert names.encode(name) == octets


def test_the_examples_of_the_rfc() -> None:
    assert names.decode(b"~peter/mail/&U,BTFw-/&ZeVnLIqe-") == "~peter/mail/台北/日本語"
    assert names.encode("~peter/mail/台北/日本語") == b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"
    assert names.decode(b"R&-D") == "R&D"


@pytest.mark.parametrize(
    "octets",
    [
        b"&", b"&AGE-", b"a\xc3\xa4", b"&U,BTFw", b"&U,BTF-", b"&Jjo!", b"&U,BTFw-&ZeVnLIqe-", b"a\0b", b"a\nb",
        b"&AAA-", b"&AAo-", b"&AC8-", b"&AC4ALg-", b"&2D0-", b"&IKw=-", b"x" * 2049, b"&AH8-", b"&ICg-",
    ],
)  # fmt: skip
def test_x21_other_spellings_are_refused(octets: bytes) -> None:
    with pytest.raises(BadName):
        names.decode(octets)


@pytest.mark.parametrize("octets", [b"inbox", b"InBoX", b"INBOX"])
def test_inbox_in_any_case(octets: bytes) -> None:
    assert names.decode(octets) == "INBOX"
    assert names.decode(octets + b"/a") == "INBOX/a"
    assert names.decode(octets + b"es") == octets.decode() + "es"
