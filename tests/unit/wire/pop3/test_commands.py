"""POP3 lines and states."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.wire.lines import LineTooLong
from postroom.wire.pop3.commands import (
    ALLOWED,
    ARGUMENTS,
    VERBS,
    Command,
    CommandParser,
    PeerError,
    State,
    parse_number,
)


def heard(octets: bytes, size: int, parser: CommandParser | None = None) -> list[Command | str]:
    parser = parser or CommandParser()
    found: list[Command | str] = []
    for start in range(0, len(octets), size):
        parser.feed(octets[start : start + size])
        while True:
            try:
                command = parser.next_command()
            except PeerError as error:
                found.append(str(error))
                continue
            if command is None:
                break
            found.append(command)
    return found


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_packet_borders_do_not_matter(size: int) -> None:
    octets = b"CAPA\r\nuser ada@a.example\r\nPASS x y \r\nAUTH plain AGEAYg==\r\nNOOP\r\nQUIT\r\nta"
    assert heard(octets, size) == [
        Command("CAPA"),
        Command("USER", (b"ada@a.example",)),
        Command("PASS", (b"x y ",)),
        Command("AUTH", (b"plain", b"AGEAYg==")),
        "NOOP is not possible before login",
        Command("QUIT"),
    ]


def test_a_pipelined_command_is_judged_by_the_state_that_the_one_before_led_to() -> None:
    parser = CommandParser()
    parser.feed(b"PASS x\r\nSTAT\r\n")
    assert parser.next_command() == Command("PASS", (b"x",))
    parser.logged_in()
    assert parser.next_command() == Command("STAT")


@pytest.mark.parametrize(
    "line",
    [
        b"", b" ", b"HELO x", b"APOP ada 0", b"USERS ada", b"USER", b"USER ", b"PASS", b"QUIT now", b"CAPA all",
        b"STLS now", b"AUTH PLAIN a b", b"QUIT\n", b"USER ada\nPASS x", b"USER a\0b", b"\xff\xfe", b"GET / HTTP/1.1",
        b"QUIT" + b" " * 300,
    ],
)  # fmt: skip
def test_other_lines_are_refused_and_the_next_one_counts(line: bytes) -> None:
    found = heard(line + b"\r\nQUIT\r\n", 1000)
    assert isinstance(found[0], str)
    assert found[1:] == [Command("QUIT")]


@pytest.mark.parametrize(
    "line", [b"LIST x", b"LIST 1 2", b"TOP 1", b"TOP 1 2 3", b"RETR", b"DELE", b"UIDL 1 1"]
)
def test_arguments_are_counted(line: bytes) -> None:
    parser = CommandParser()
    parser.logged_in()
    found = heard(line + b"\r\n", 1000, parser)
    assert isinstance(found[0], str) or line == b"LIST x"


def test_only_the_pair_of_cr_and_lf_ends_a_command() -> None:
    """X1: octets that another reader might take for two commands are no command."""
    assert heard(b"USER ada\nQUIT\r\n", 1000) == ["stray control character"]
    assert heard(b"USER ada\rQUIT\r\n", 1000) == ["stray control character"]


def test_a_line_without_end_is_ended_by_us() -> None:
    """X5: at most one line is held, whatever a stranger sends."""
    parser = CommandParser()
    with pytest.raises(LineTooLong):
        heard(b"AUTH PLAIN " + b"A" * 100_000, 1000, parser)
    assert parser.pipelined <= 10_000


def test_nothing_said_before_tls_counts_after_it() -> None:
    """X3"""
    parser = CommandParser()
    parser.feed(b"STLS\r\nUSER mallory\r\n")
    assert parser.next_command() == Command("STLS")
    assert parser.pipelined
    parser.tls_started()
    assert parser.next_command() is None
    assert parser.secured


@pytest.mark.parametrize("text", [b"0", b"1", b"4294967295", b"0001"])
def test_numbers(text: bytes) -> None:
    assert parse_number(text) == int(text)


@pytest.mark.parametrize(
    "text", [b"", b"-1", b"+1", b"1.0", b" 1", b"4294967296", b"9" * 5000, "\u0663".encode()]
)
def test_what_is_no_number(text: bytes) -> None:
    with pytest.raises(PeerError):
        parse_number(text)


@given(st.binary(max_size=2000), st.booleans())
def test_no_octets_break_the_parser(octets: bytes, logged_in: bool) -> None:
    parser = CommandParser()
    if logged_in:
        parser.logged_in()
    for found in heard(octets + b"\r\n", 100, parser):
        assert isinstance(found, str) or found.verb in ALLOWED[parser.state]


def test_the_tables_agree() -> None:
    assert set(ARGUMENTS) == VERBS
    assert set(ALLOWED) == set(State)
