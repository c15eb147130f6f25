"""The scanner against a plain model, fed in every way."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.wire.smtp.data import MAX_LINE, DataScanner, Flaw, stuffed

PIECES = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"\0", b"x", b"..", b"\r\n.\r\n", b"abc"]), max_size=40
)


def scan(octets: bytes, size: int) -> tuple[bytes, DataScanner, bytes]:
    scanner, content = DataScanner(), b""
    for start in range(0, len(octets), size):
        content += scanner.feed(octets[start : start + size])
        if scanner.finished:
            return content, scanner, scanner.rest + octets[start + size :]
    return content, scanner, b""


def model(octets: bytes) -> tuple[bytes, bytes] | None:
    """Line by line, as RFC 5321 section 4.5.2 tells it."""
    lines, at = [], 0
    for match in re.finditer(rb"(?s)(.*?)\r\n", octets):
        line = match[1]
        at = match.end()
        if line == b".":
            return b"".join(one + b"\r\n" for one in lines), octets[at:]
        lines.append(line[1:] if line.startswith(b".") else line)
    return None


@given(PIECES, st.integers(1, 9))
def test_agrees_with_the_line_model(pieces: list[bytes], size: int) -> None:
    octets = b"".join(pieces) + b"\r\n.\r\nQUIT\r\n"
    expected = model(octets)
    assert expected is not None
    content, scanner, rest = scan(octets, size)
    assert scanner.finished
    assert (content, rest) == expected


@given(PIECES, st.integers(1, 9))
def test_flaws_do_not_depend_on_packet_borders(pieces: list[bytes], size: int) -> None:
    octets = b"".join(pieces) + b"\r\n.\r\n"
    _, whole, rest = scan(octets, len(octets))
    _, cut, _ = scan(octets, size)
    assert (whole.flaw is None) == (cut.flaw is None)
    message = octets[: len(octets) - len(rest)]
    bare = re.search(rb"\r(?!\n)|(?<!\r)\n", message) is not None
    assert (whole.flaw is not None) == (bare or b"\0" in message)


@given(
    st.lists(st.sampled_from([b".", b"..x\r\n", b"a\r\n", b".\r\n", b"\r\n", b"zz"]), max_size=30),
    st.integers(1, 9),
)
def test_stuffing_is_undone(pieces: list[bytes], size: int) -> None:
    message = b"".join(pieces) + b"\r\n"
    content, scanner, _ = scan(stuffed(message, True) + b".\r\n", size)
    assert scanner.finished
    assert content == message


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_empty_message(size: int) -> None:
    content, scanner, rest = scan(b".\r\nQUIT\r\n", size)
    assert (content, scanner.finished, rest) == (b"", True, b"QUIT\r\n")


@pytest.mark.parametrize("size", [1000, 65536, 300_000])
@pytest.mark.parametrize(("length", "flaw"), [(MAX_LINE - 2, None), (MAX_LINE + 2, Flaw.LONG_LINE)])
@pytest.mark.parametrize("before", [0, 3, 2000])
def test_line_length(size: int, length: int, flaw: Flaw | None, before: int) -> None:
    octets = b"ab\r\n" * before + b"x" * length + b"\r\n" + b"ab\r\n" * 50_000 + b".\r\n"
    _, scanner, _ = scan(octets, size)
    assert scanner.finished
    assert scanner.flaw is flaw


def test_local_programs_may_use_bare_line_ends() -> None:
    scanner = DataScanner(allow_bare=True)
    assert scanner.feed(b"a\nb\r\n.\r\n") == b"a\nb\r\n"
    assert scanner.flaw is None
