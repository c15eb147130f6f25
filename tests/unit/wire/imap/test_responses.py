"""Responses parse back to the values they were made from. RFC 3501 sections 4.3 and 7."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.wire.imap import responses
from postroom.wire.imap.capability import capabilities
from postroom.wire.imap.framing import Frame, Framer, FramingLimits
from postroom.wire.imap.listing import list_line
from postroom.wire.imap.scanner import Scanner


@given(st.binary(max_size=1200))
def test_strings_read_back(octets: bytes) -> None:
    written = responses.string(octets)
    framer = Framer(FramingLimits(command=5000, literal=5000))
    framer.feed(written.replace(b"}\r\n", b"+}\r\n", 1) if written.startswith(b"{") else written)
    framer.feed(b"\r\n")
    frame = framer.next_event()
    assert isinstance(frame, Frame)
    assert Scanner(frame).string() == octets.replace(b"\0", b"?")


@given(st.binary(max_size=50))
def test_only_literals_hold_line_ends(octets: bytes) -> None:
    written = responses.string(octets)
    if not written.startswith(b"{"):
        assert written.isascii()
        assert not set(written) & {0, 10, 13}


def test_dates() -> None:
    assert responses.date_time(0) == b'" 1-Jan-1970 00:00:00 +0000"'
    assert responses.date_time(1_700_000_000) == b'"14-Nov-2023 22:13:20 +0000"'


def test_lines() -> None:
    assert responses.status(b"a", b"NO", b"text", b"CODE 1") == b"a NO [CODE 1] text\r\n"
    assert list_line(b"LIST", (b"\\A", b"\\B"), 'x"&ä') == b'* LIST (\\A \\B) "/" "x\\"&-&AOQ-"\r\n'
    assert responses.nstring(None) == b"NIL"
    assert responses.flags({"b", "\\Seen"}) == b"(\\Seen b)"


@pytest.mark.parametrize("secured", [True, False])
@pytest.mark.parametrize("logged_in", [True, False])
def test_capabilities_keep_the_rules(secured: bool, logged_in: bool) -> None:
    words = capabilities(secured=secured, logged_in=logged_in).split()
    assert words[0] == b"IMAP4rev1"
    assert (b"LITERAL+" in words) + (b"LITERAL-" in words) == 1  # RFC 7888 section 5
    assert (b"STARTTLS" in words) == (b"LOGINDISABLED" in words) == (not secured and not logged_in)
    assert (b"AUTH=PLAIN" in words) == (secured and not logged_in)
    assert b"COMPRESS=DEFLATE" not in words
