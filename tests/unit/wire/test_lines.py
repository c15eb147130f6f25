"""LineBuffer: the same lines however the octets were cut, and a bound on what it holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.wire.lines import LineBuffer, LineTooLong


def lines_of(octets: bytes, size: int, terminator: bytes = b"\r\n") -> list[bytes]:
    buffer, heard = LineBuffer(terminator, 100), []
    for start in range(0, len(octets), size):
        buffer.feed(octets[start : start + size])
        while (line := buffer.next_line()) is not None:
            heard.append(line)
    return heard


@given(
    st.lists(st.binary(max_size=100).filter(lambda line: b"\r\n" not in line and not line.endswith(b"\r")))
)
def test_packet_borders_do_not_matter(lines: list[bytes]) -> None:
    octets = b"".join(line + b"\r\n" for line in lines) + b"tail"
    for size in (1, 3, 1000):
        assert lines_of(octets, size) == lines


def test_only_the_pair_ends_a_line() -> None:
    assert lines_of(b"a\nb\rc\r\n", 1) == [b"a\nb\rc"]


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_a_line_may_be_as_long_as_allowed_and_no_longer(size: int) -> None:
    assert lines_of(b"x" * 100 + b"\r\n", size) == [b"x" * 100]
    with pytest.raises(LineTooLong):
        lines_of(b"x" * 101 + b"\r\n", size)


def test_endless_octets_are_refused_before_they_pile_up() -> None:
    """X5"""
    buffer = LineBuffer(b"\n", 100)
    for _ in range(101):
        assert buffer.next_line() is None
        buffer.feed(b"x")
    with pytest.raises(LineTooLong):
        buffer.next_line()
    assert buffer.pending == 101


def test_clear_forgets_what_was_said_before() -> None:
    """X3"""
    buffer = LineBuffer(b"\r\n", 100)
    buffer.feed(b"one\r\ntwo\r\n")
    assert buffer.next_line() == b"one"
    assert buffer.pending == 5
    buffer.clear()
    assert buffer.next_line() is None
    assert buffer.pending == 0
