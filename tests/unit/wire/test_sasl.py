"""SASL PLAIN and LOGIN. RFC 4616, RFC 4422."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.wire import sasl

PARTS = st.text(st.characters(blacklist_characters="\0", codec="utf-8"), min_size=1, max_size=80)


@given(name=PARTS, password=PARTS, authorization=PARTS | st.just(""))
def test_a_plain_message_reads_back(name: str, password: str, authorization: str) -> None:
    message = sasl.plain_message(name, password, authorization)
    assert sasl.parse_plain(message) == sasl.Plain(name, password, authorization)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0",
        b"\0\0",
        b"\0ada",
        b"\0ada\0",
        b"\0\0x",
        b"a\0b\0c\0d",
        b"\0ada\0\xff",
        b"\0" + b"a" * 1025 + b"\0x",
    ],
)
def test_other_messages_are_refused(message: bytes) -> None:
    with pytest.raises(sasl.SaslError):
        sasl.parse_plain(message)


@given(st.binary(max_size=200))
def test_any_octets_are_judged_without_other_errors(octets: bytes) -> None:
    for attempt in (sasl.parse_plain, sasl.decode_line, sasl.decode_initial):
        try:
            attempt(octets)
        except sasl.SaslError:
            continue


@pytest.mark.parametrize("initial", [None, b"=", b"!", b"dXNlcj1hZGE=", b"A" * 9000, b"*"])
def test_a_mechanism_that_is_not_offered_is_told_for_what_it_is(initial: bytes | None) -> None:
    with pytest.raises(sasl.UnknownMechanism):
        sasl.begin_encoded("XOAUTH2", initial)


def test_plain_with_and_without_initial_response() -> None:
    wanted = sasl.Finished("PLAIN", b"\0ada\0secret")
    assert sasl.begin("plain", b"\0ada\0secret") == wanted
    step = sasl.begin("PLAIN")
    assert step == sasl.Asking("PLAIN", b"")
    assert isinstance(step, sasl.Asking)
    assert step.answered(b"\0ada\0secret") == wanted


@pytest.mark.parametrize("initial", [None, b"ada"])
def test_login_ends_as_the_plain_message(initial: bytes | None) -> None:
    step = sasl.begin("LOGIN", initial)
    assert isinstance(step, sasl.Asking)
    if initial is None:
        assert step.challenge == b"Username:"
        step = step.answered(b"ada")
        assert isinstance(step, sasl.Asking)
    assert step.challenge == b"Password:"
    assert step.answered(b"s p") == sasl.Finished("LOGIN", b"\0ada\0s p")


@pytest.mark.parametrize("answer", [b"", b"a\0b", b"x" * 1025])
def test_login_takes_no_part_that_could_shift_the_message(answer: bytes) -> None:
    step = sasl.begin("LOGIN")
    assert isinstance(step, sasl.Asking)
    with pytest.raises(sasl.SaslError):
        step.answered(answer)


def test_lines() -> None:
    assert sasl.decode_line(sasl.encode_line(b"\0ada\0x")) == b"\0ada\0x"
    assert sasl.decode_initial(b"=") == b""
    with pytest.raises(sasl.Cancelled):
        sasl.decode_line(b"*")
    for line in (b"=", b"abc", b"ab c", b"YWJj\n", b"A" * 8000):
        with pytest.raises(sasl.SaslError):
            sasl.decode_line(line)


def test_unknown_mechanism() -> None:
    with pytest.raises(sasl.UnknownMechanism):
        sasl.begin("CRAM-MD5")


def test_a_password_never_shows() -> None:
    assert "secret" not in repr(sasl.parse_plain(b"\0ada\0secret"))
    assert "secret" not in repr(sasl.begin("PLAIN", b"\0ada\0secret"))
