"""Commands: what is taken, and what is refused with which reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail.address import Address
from postroom.wire.smtp.client import path
from postroom.wire.smtp.commands import (
    NO_PARAMETERS,
    POSTMASTER,
    CommandError,
    parse_command,
    parse_helo,
    parse_mail,
    parse_rcpt,
    xtext,
    xtext_decoded,
)
from postroom.wire.smtp.parameters import SIZE_AND_BODY


@pytest.mark.parametrize(
    ("line", "verb", "argument"),
    [
        (b"quit", "QUIT", ""),
        (b"MAIL FROM:<a@b.example> ", "MAIL", "FROM:<a@b.example>"),
        (b"NOOP  x y", "NOOP", "x y"),
    ],
)
def test_lines(line: bytes, verb: str, argument: str) -> None:
    assert parse_command(line) == (verb, argument)


@pytest.mark.parametrize(
    "line", [b"", b" QUIT", b"\x00", b"QU\x7fIT", b"NOOP a\rb", b"NOOP \xff", b"250 ok", b"MAIL\tx"]
)
def test_lines_refused(line: bytes) -> None:
    with pytest.raises(CommandError) as caught:
        parse_command(line)
    assert caught.value.reply.code == 500


@pytest.mark.parametrize(
    ("argument", "sender", "size", "body"),
    [
        ("FROM:<>", None, 0, "7BIT"),
        ("from:<Ada@Example.ORG> size=77 BODY=8bitmime", Address("Ada", "example.org"), 77, "8BITMIME"),
        ("FROM: <a@b.example>", Address("a", "b.example"), 0, "7BIT"),
        ("FROM:<@x.example,@y.example:a@b.example>", Address("a", "b.example"), 0, "7BIT"),
        ('FROM:<"a>b"@c.example>', Address("a>b", "c.example"), 0, "7BIT"),
        (f"FROM:<{'srs0=' * 20}x@b.example>", Address("srs0=" * 20 + "x", "b.example"), 0, "7BIT"),
        ("FROM:<a@[192.0.2.1]>", Address("a", "[192.0.2.1]"), 0, "7BIT"),
        ("FROM:a@b.example", Address("a", "b.example"), 0, "7BIT"),
        ("FROM: a@b.example SIZE=7 BODY=8BITMIME", Address("a", "b.example"), 7, "8BITMIME"),
        ('FROM:"a b"@c.example SIZE=7', Address("a b", "c.example"), 7, "7BIT"),
        ("FROM:@x_y.example:a@b.example", Address("a", "b.example"), 0, "7BIT"),
        ("FROM:< a@b.example >", Address("a", "b.example"), 0, "7BIT"),
        ("FROM:<a..b@docomo.example>", Address("a..b", "docomo.example"), 0, "7BIT"),
        ("FROM:<a.@docomo.example>", Address("a.", "docomo.example"), 0, "7BIT"),
        ("FROM:<a@under_score.example.>", Address("a", "under_score.example"), 0, "7BIT"),
        (f'FROM:<"{"a" * 65}"@b.example>', Address("a" * 65, "b.example"), 0, "7BIT"),
    ],
)
def test_mail(argument: str, sender: Address | None, size: int, body: str) -> None:
    mail = parse_mail(argument, SIZE_AND_BODY)
    assert (mail.sender, mail.size, mail.body) == (sender, size, body)


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        ("", 501),
        ("FROM", 501),
        ("FROM:", 501),
        ("FROM:a@b.example>", 501),
        ("FROM:Ada <a@b.example>", 501),
        ("FROM:a@b.example,c@d.example", 501),
        ("FROM:SIZE=1", 501),
        ("FROM:a@b.example SMTPUTF8", 555),
        ("FROM:<<a@b.example>>", 501),
        ("FROM:<a@b..>", 501),
        ("FROM:<a@b.example", 501),
        ("FROM:<a@b.example>SIZE=1", 501),
        ("FROM:<a@b.example> SIZE", 501),
        ("FROM:<a@b.example> SIZE=-1", 501),
        ("FROM:<a@b.example> SIZE=1 SIZE=1", 501),
        ("FROM:<a@b.example> BODY=BINARYMIME", 501),
        ("FROM:<a@b.example> SMTPUTF8", 555),
        ("FROM:<a@b.example> RET=FULL", 555),
        ("FROM:<a@b.example> =x", 501),
        ("FROM:<a>", 501),
        ("FROM:<a@b@c.example>", 501),
        (f"FROM:<{'a' * 250}@b.example>", 501),
        (f"FROM:<a@{'b.' * 126}example>", 501),
        ("TO:<a@b.example>", 501),
    ],
)
def test_mail_refused(argument: str, code: int) -> None:
    with pytest.raises(CommandError) as caught:
        parse_mail(argument, SIZE_AND_BODY)
    assert caught.value.reply.code == code


def test_rcpt() -> None:
    assert parse_rcpt("TO:<Postmaster>", NO_PARAMETERS).address is POSTMASTER
    assert parse_rcpt("TO:<a@b.example>", NO_PARAMETERS).address == Address("a", "b.example")
    assert parse_rcpt("TO:postmaster", NO_PARAMETERS).address is POSTMASTER
    assert parse_rcpt("TO: a@b.example.", NO_PARAMETERS).address == Address("a", "b.example")
    for argument in (
        "TO:",
        "TO:other",
        "TO:<>",
        "TO:<other>",
        "TO:<a@b.example> NOTIFY=NEVER",
        "TO:<host!user>",
    ):
        with pytest.raises(CommandError):
            parse_rcpt(argument, NO_PARAMETERS)


@pytest.mark.parametrize(
    ("line", "helo"),
    [
        (b"EHLO [IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
        (b"EHLO [fe80::1%en0]", "[fe80::1%en0]"),
        (b"EHLO Bob's", "Bob's"),
        (b"HELO my pc", "my?pc"),
        ("LHLO b\u00fcro.example".encode(), "b??ro.example"),
        (b"EHLO b\xfcro", "b?ro"),
        (b"EHLO \x9b31m\x85", "?31m?"),
        (b"EHLO (a) by mx.example; <b@c>", "?a??by?mx.example???b?c?"),
        (b'EHLO "a\\', "?a?"),
        (b"EHLO a,b", "a?b"),
        (b"EHLO " + b"x" * 500, "x" * 255),
    ],
)
def test_helo(line: bytes, helo: str) -> None:
    assert parse_helo(parse_command(line).argument) == helo


def test_helo_needs_a_name() -> None:
    with pytest.raises(CommandError):
        parse_helo("")


@pytest.mark.parametrize("line", [b"EHLO a\x1b[31m", b"EHLO a\tb", b"EHLO a\x7f", b"EHLO a\0", b"EHLO a\rb"])
def test_control_characters_are_no_part_of_a_name(line: bytes) -> None:
    with pytest.raises(CommandError):
        parse_command(line)


@given(st.binary(max_size=600))
def test_x10_whatever_a_client_calls_itself_is_one_harmless_word(octets: bytes) -> None:
    try:
        helo = parse_helo(parse_command(b"EHLO " + octets).argument)
    except CommandError:
        return
    assert 0 < len(helo) <= 255
    assert helo.isascii()
    assert helo.isprintable()
    assert not set(helo) & set(' ()<>\\",;@')


@pytest.mark.parametrize(
    "text", ["a..b@docomo.example", "a.@docomo.example", "a@under_score.example.", '"a b"@c.example']
)
def test_what_is_taken_can_be_sent_on(text: str) -> None:
    """The form that RFC 5321 demands is what goes out, so that a strict next hop takes it and finds the same again."""
    address = parse_mail(f"FROM:<{text}>", SIZE_AND_BODY).sender
    sent = path(str(address)).decode()
    assert parse_rcpt(f"TO:{sent}", NO_PARAMETERS).address == address


@given(st.binary(max_size=120))
def test_any_line_is_a_command_or_refused(line: bytes) -> None:
    try:
        command = parse_command(line)
    except CommandError as error:
        assert error.reply.permanent
        return
    for parse in (parse_mail, parse_rcpt):
        try:
            parse(command.argument, SIZE_AND_BODY)
        except CommandError as error:
            assert error.reply.code in (501, 555)


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_xtext_there_and_back(text: str) -> None:
    assert xtext_decoded(xtext(text)) == text


@pytest.mark.parametrize("text", ["a+0Ab", "a+0", "a=b", "a b", "+zz", "é"])
def test_xtext_refused(text: str) -> None:
    with pytest.raises(CommandError):
        xtext_decoded(text)
