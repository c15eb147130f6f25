"""Framing: lines and literals, wherever packets end. RFC 3501 section 4.3, RFC 7888."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.wire.imap.framing import Event, Frame, Framer, FramingLimits, Refused, WantsLiteral

LIMITS = FramingLimits(command=200, literal=100, message=1000, skip=2000)
STREAM = (
    b'a NOOP\r\nb LOGIN {3+}\r\nada "x"\r\nc APPEND x (\\Seen) {12+}\r\nFrom: x\r\n\r\ny\r\n'
    b"d X {5+}\r\n{3}\r\n {0+}\r\n\r\n"
)
FRAMES = [
    Frame(b"a NOOP"),
    Frame(b'b LOGIN {3+}\r\n "x"', (b"ada",)),
    Frame(b"c APPEND x (\\Seen) {12+}\r\n", (b"From: x\r\n\r\ny",)),
    Frame(b"d X {5+}\r\n {0+}\r\n", (b"{3}\r\n", b"")),
]


def events(framer: Framer, octets: bytes) -> list[Event]:
    framer.feed(octets)
    found = []
    while (event := framer.next_event()) is not None:
        found.append(event)
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_packet_borders_do_not_matter(size: int) -> None:
    framer, found = Framer(LIMITS), []
    for start in range(0, len(STREAM), size):
        found += events(framer, STREAM[start : start + size])
    assert found == FRAMES
    assert not framer.pending


def test_a_tail_waits() -> None:
    framer = Framer(LIMITS)
    assert events(framer, STREAM + b"e NO") == FRAMES
    assert framer.pending
    assert events(framer, b"OP\r\n") == [Frame(b"e NOOP")]


def test_a_waiting_client_is_asked_for_its_literal() -> None:
    framer = Framer(LIMITS)
    assert events(framer, b"a X {2}\r\n") == [WantsLiteral()]
    assert events(framer, b"hi {1}\r\n") == [WantsLiteral()]
    assert events(framer, b"!\r\n") == [Frame(b"a X {2}\r\n {1}\r\n", (b"hi", b"!"))]


def test_a_large_literal_that_waits_is_refused_and_nothing_else() -> None:
    framer = Framer(LIMITS)
    refused, frame = events(framer, b"a X {101}\r\nb NOOP\r\n")
    assert refused == Refused(b"a", b"Literal too large", fatal=False)
    assert frame == Frame(b"b NOOP")


def test_a_large_literal_that_does_not_wait_is_read_over() -> None:
    framer = Framer(LIMITS)
    assert events(framer, b"a X {1500+}\r\n" + b"b NOOP\r\n" * 180) == []
    assert events(framer, b"x" * 60 + b" more\r\nc NOOP\r\n") == [
        Refused(b"a", b"Literal too large", fatal=False),
        Frame(b"c NOOP"),
    ]


@pytest.mark.parametrize("digits", [b"2001", b"4294967296", b"9" * 40])
def test_a_literal_too_large_to_read_over_ends_the_connection(digits: bytes) -> None:
    (refused,) = events(Framer(LIMITS), b"a X {%b+}\r\n" % digits)
    assert isinstance(refused, Refused)
    assert refused.fatal


def test_only_one_literal_of_append_may_be_large() -> None:
    framer = Framer(LIMITS)
    assert events(framer, b"a APPEND {900}\r\n") == [Refused(b"a", b"Literal too large", fatal=False)]
    assert events(framer, b"a append x {900}\r\n") == [WantsLiteral()]
    assert events(framer, b"x" * 900 + b" {900}\r\n") == [Refused(b"a", b"Literal too large", fatal=False)]
    assert events(framer, b"b APPEND {1}\r\n") == [WantsLiteral()]
    assert events(framer, b"x {900}\r\n") == [WantsLiteral()]


@pytest.mark.parametrize("end", [b"\n", b"\r\r\n", b"\0\r\n", b"x\ry\r\n"])
def test_other_line_ends_are_refused_and_survived(end: bytes) -> None:
    refused, frame = events(Framer(LIMITS), b"a NOOP" + end + b"b NOOP\r\n")
    assert isinstance(refused, Refused)
    assert (refused.tag, refused.fatal, refused.too_big) == (b"a", False, False)
    assert frame == Frame(b"b NOOP")


def test_x05_memory_stays_within_the_limits_whatever_comes() -> None:
    limits = FramingLimits(command=8192, literal=1024)
    for piece in (b"(" * 1000, b"a X {1000+}\r\n" + b"x" * 1000, b'a ID ("x" ' * 100, b"{9+}\r\n12345678 "):
        framer, largest, over = Framer(limits), 0, False
        for _ in range(1000):
            framer.feed(piece)
            while (event := framer.next_event()) is not None and not over:
                over = isinstance(event, Refused) and event.fatal
            largest = max(largest, framer.held)
            if over:
                break
        assert largest < 65_536


def test_single_lines() -> None:
    framer = Framer(LIMITS)
    framer.feed(b"AGFkYQ==\r\nDO")
    assert framer.next_line(50) == b"AGFkYQ=="
    assert framer.next_line(50) is None
    framer.feed(b"x" * 50)
    assert isinstance(framer.next_line(50), Refused)


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_octets_are_cut_the_same_way(octets: bytes, size: int) -> None:
    whole = _until_fatal(events(Framer(LIMITS), octets))
    framer, pieces = Framer(LIMITS), []
    for start in range(0, len(octets), size):
        pieces += events(framer, octets[start : start + size])
    assert _until_fatal(pieces) == whole


def _until_fatal(found: list[Event]) -> list[Event]:
    for place, event in enumerate(found):
        if isinstance(event, Refused) and event.fatal:
            return found[: place + 1]
    return found


def test_x05_many_small_literals_are_refused_as_one_command() -> None:
    framer = Framer(FramingLimits(command=65_536, literal=65_536, skip=100))
    found = events(framer, b"a X" + b" {0+}\r\n" * 200 + b"\r\nb NOOP\r\n")
    assert found == [Refused(b"a", b"Literal too large", fatal=False), Frame(b"b NOOP")]


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_what_follows_a_refused_literal_is_no_command(size: int) -> None:
    octets = b"a X {150+}\r\n" + b"x" * 150 + b" {10+}\r\nb LOGOUT\r\n {2+}\r\nhi end\r\nc NOOP\r\n"
    framer, found = Framer(LIMITS), []
    for start in range(0, len(octets), size):
        found += events(framer, octets[start : start + size])
    assert found == [Refused(b"a", b"Literal too large", fatal=False), Frame(b"c NOOP")]


@pytest.mark.parametrize("line", [b"a X\0 {10+}\r\n", b"a X {10+}\n", b"a\rX {10+}\r\n"])
def test_what_follows_a_malformed_line_is_no_command(line: bytes) -> None:
    (refused, *_) = events(Framer(LIMITS), line + b"b LOGOUT\r\n")
    assert isinstance(refused, Refused)
    assert refused.fatal


def test_a_refused_command_may_go_on_for_long() -> None:
    framer = Framer(FramingLimits(command=65_536, literal=65_536, skip=100))
    assert events(framer, b"a X" + b" {0+}\r\n" * 20_000) == []
    assert len(events(framer, b"\r\n")) == 1


def test_a_literal_too_large_in_a_refused_command_ends_the_connection() -> None:
    (refused,) = events(Framer(LIMITS), b"a X {150+}\r\n" + b"x" * 150 + b" {99999+}\r\n")
    assert isinstance(refused, Refused)
    assert refused.fatal
