"""Replies out and in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.wire.smtp.replies import Reply, ReplyError, ReplyReader


def test_octets() -> None:
    assert Reply(250, "2.0.0", "OK").octets == b"250 2.0.0 OK\r\n"
    assert Reply(250, "", "mx.example\nSIZE 10\nPIPELINING").octets == (
        b"250-mx.example\r\n250-SIZE 10\r\n250 PIPELINING\r\n"
    )


def test_no_text_begins_a_line() -> None:
    assert Reply(550, "5.1.1", "a\rb\x00c\x85é").octets == b"550 5.1.1 a?b?c??\r\n"


def test_lines_are_bounded() -> None:
    assert all(
        len(line) <= 510 for line in Reply(550, "5.1.1", "x" * 2000 + "\n" + "y" * 600).octets.split(b"\r\n")
    )


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_reading_in_pieces(size: int) -> None:
    octets = b"220 hello\r\n250-mx\r\n250-SIZE 5\r\n250 8BITMIME\r\n550-5.1.1 No\r\n550 5.1.1 such\r\n250\r\n"
    reader, heard = ReplyReader(), []
    for start in range(0, len(octets), size):
        reader.feed(octets[start : start + size])
        while reply := reader.next_reply():
            heard.append(reply)
    assert heard == [
        Reply(220, "", "hello"),
        Reply(250, "", "mx\nSIZE 5\n8BITMIME"),
        Reply(550, "5.1.1", "No\nsuch"),
        Reply(250),
    ]
    assert reader.unread == 0


@pytest.mark.parametrize(
    "octets", [b"hello\r\n", b"250-a\r\n550 b\r\n", b"99 x\r\n", b"x" * 5000, b"250-a\r\n" * 20000]
)
def test_what_is_no_reply(octets: bytes) -> None:
    reader = ReplyReader()
    reader.feed(octets)
    with pytest.raises(ReplyError):
        reader.next_reply()


@given(st.binary(max_size=200))
def test_any_octets_end_in_a_reply_or_an_error(octets: bytes) -> None:
    reader = ReplyReader()
    reader.feed(octets)
    try:
        while reader.next_reply():
            pass
    except ReplyError:
        pass
