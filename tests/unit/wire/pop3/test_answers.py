"""POP3 replies."""

import poplib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.contracts import errors
from postroom.wire.pop3 import answers

MESSAGES = [
    b"",
    b"\r\n",
    b"A: b\r\n\r\nc\r\n",
    b".\r\n",
    b".A: b\r\n\r\n.\r\n..\r\n.c",
    b"A: b\r\n\r\nx\r\n.\r\nQUIT\r\n",
    b"\r\n.\r\n",
]


class Fed(poplib.POP3):
    """The standard library's client, which reads the octets of a reply."""

    def __init__(self, octets: bytes) -> None:
        self.lines = octets.splitlines(keepends=True)
        self._debugging = 0

    def _getline(self) -> tuple[bytes, int]:
        line = self.lines.pop(0)
        assert line.endswith(b"\r\n")
        return line[:-2], len(line)


def read(octets: bytes) -> bytes:
    """Return the body of a multi-line reply as a client reads it."""
    client = Fed(b"+OK\r\n" + octets)
    _, lines, _ = client._getlongresp()
    assert client.lines == []
    return b"".join(line + b"\r\n" for line in lines)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_client_reads_what_was_stored(message: bytes) -> None:
    ended = message if message.endswith(b"\r\n") or not message else message + b"\r\n"
    assert read(answers.message(message)) == ended


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\0"]), max_size=30))
def test_no_message_ends_its_reply_early(parts: list[bytes]) -> None:
    """X2: even with bare CR and LF around dots, the first lone dot between CR LF pairs ends the reply."""
    message = b"".join(parts)
    octets = answers.message(message)
    assert octets.count(b"\r") == octets.count(b"\n") == octets.count(b"\r\n")
    assert octets.endswith(b".\r\n")
    assert b"\r\n.\r\n" not in octets[:-3] + b"x"
    text = b"".join(message.split())
    assert b"".join(read(octets).split()) == text


HEAD = b"A: b\r\nC: d\r\n\r\n"


@pytest.mark.parametrize(
    ("content", "lines", "kept"),
    [
        (HEAD + b"1\r\n2\r\n3\r\n", 0, HEAD),
        (HEAD + b"1\r\n2\r\n3\r\n", 2, HEAD + b"1\r\n2\r\n"),
        (HEAD + b"1\r\n2\r\n3\r\n", 3, HEAD + b"1\r\n2\r\n3\r\n"),
        (HEAD + b"1\r\n2\r\n3\r\n", 4_294_967_295, HEAD + b"1\r\n2\r\n3\r\n"),
        (HEAD + b"1\r\n2", 2, HEAD + b"1\r\n2"),
        (HEAD, 5, HEAD),
        (b"A: b\r\n", 5, b"A: b\r\n"),
        (b"\r\nbody\r\nmore\r\n", 1, b"\r\nbody\r\n"),
        (b"A: b\n\n1\n2\n", 1, b"A: b\r\n\r\n1\r\n"),
        (b"", 1, b""),
    ],
)
def test_top(content: bytes, lines: int, kept: bytes) -> None:
    for size in (1, 2, 3, 7, len(content) or 1):
        assert top(content, lines, size) == kept


def top(content: bytes, lines: int, size: int) -> bytes:
    cutter = answers.Top(lines)
    pieces = [cutter.piece(content[start : start + size]) for start in range(0, len(content), size)]
    return b"".join([*pieces, cutter.end()])


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"\r\n\r\n", b".", b"a"]), max_size=40).map(b"".join),
    st.integers(0, 12),
    st.integers(1, 9),
)
def test_top_is_the_beginning_of_the_message(content: bytes, lines: int, size: int) -> None:
    text = re.sub(rb"\r\n|\r|\n", b"\r\n", content).split(b"\r\n")
    empty = text.index(b"") if b"" in text[:-1] else len(text)
    shown = text[: empty + 1 + lines]
    wanted = b"\r\n".join(shown) + (b"\r\n" if len(shown) < len(text) else b"")
    assert top(content, lines, size) == wanted


def test_top_knows_when_it_has_enough() -> None:
    cutter = answers.Top(2)
    assert cutter.piece(HEAD + b"1\r\n") == HEAD + b"1\r\n"
    assert not cutter.done
    assert cutter.piece(b"2\r\n3\r\n") == b"2\r\n"
    assert cutter.done
    assert cutter.piece(b"4\r\n") == b""


def leaves(kind: type[errors.MailError]) -> set[type[errors.MailError]]:
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return {kind} if not children else {leaf for child in children for leaf in leaves(child)}


@pytest.mark.parametrize("kind", sorted(leaves(errors.MailError), key=lambda kind: kind.__name__))
def test_every_refusal_has_an_answer(kind: type[errors.MailError]) -> None:
    said = answers.refusal(kind("inner detail"))
    assert said.startswith(b"-ERR ")
    assert b"inner detail" not in said
    assert (b"[AUTH]" in said) == (kind is errors.LoginRefused)
    assert (b"[IN-USE]" in said) == (kind is errors.MailboxInUse)
    if b"SYS/TEMP" in said:
        assert kind.temporary


@pytest.mark.parametrize("secured", [True, False])
def test_capabilities(secured: bool) -> None:
    told = answers.capabilities(secured, False, True)
    assert {"TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "EXPIRE NEVER"} <= set(told)
    assert ("STLS" in told) != secured
    assert ("USER" in told) == secured
    assert ("SASL PLAIN LOGIN" in told) == secured
    assert any(line.startswith("IMPLEMENTATION ") for line in told)


def test_lines_fit() -> None:
    assert all(len(answers.err(text)) <= 512 for text in answers.REFUSALS.values())


@given(st.lists(st.text("a.\r\n", max_size=6).map(str.encode), max_size=8))
def test_a_message_in_pieces_is_the_same_message(pieces: list[bytes]) -> None:
    body = answers.MultilineBody()
    said = b"".join([body.piece(piece) for piece in pieces]) + body.end()
    assert said == answers.message(b"".join(pieces))
    assert said.endswith(b".\r\n")
    assert b"\r\n.\r\n" not in (b"\r\n" + said)[:-5]
