"""Parameters of MIME fields: RFC 2231, and what is written otherwise than the RFCs have it."""

import time
from email.message import Message
from email.utils import collapse_rfc2231_value, encode_rfc2231
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail.mime_fields import MAX_PARAMETERS, MAX_PIECES, Parameters, read_typed, without_comments
from postroom.mail.mime_scan import scan

CASES = Path(__file__).parents[2] / "cases"


def params(text: bytes) -> Parameters:
    typed = read_typed(b"multipart/mixed" + text)
    assert typed is not None
    return typed.params


@pytest.mark.parametrize(
    ("case", "bodies"),
    [
        ("04-boundary-continuation", [b"plain", b"<b>html</b>"]),
        ("04-boundary-extended", [b"plain"]),
        ("05-empty-parameter", [b"one", b"two"]),
    ],
)
def test_what_real_software_sends_has_its_parts(case: str, bodies: list[bytes]) -> None:
    message = (CASES / f"{case}.eml").read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    _, root = scan(message)
    assert root.type == b"MULTIPART"
    assert [message[part.body : part.end] for part in root.parts] == bodies


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'; boundary*0="a b"; boundary*1=c', [(b"BOUNDARY", b"a bc")]),
        (b'; boundary*1=c; x=y; BOUNDARY*0="a b"', [(b"X", b"y"), (b"BOUNDARY", b"a bc")]),
        (b"; boundary*=us-ascii'en'a%20b", [(b"BOUNDARY", b"a b")]),
        (b"; boundary*0*=us-ascii''%3D_7ea%3D; boundary*1*=10e%2d3", [(b"BOUNDARY", b"=_7ea=10e-3")]),
        (b"; boundary*0*=''a%25; boundary*1=%25", [(b"BOUNDARY", b"a%%25")]),
        (b"; boundary*=a%20b", [(b"BOUNDARY", b"a b")]),  # without the quotes that must be there
        (b"; charset*=''utf-8", [(b"CHARSET", b"utf-8")]),
        (b"; charset*0=iso-; charset*1=8859-15", [(b"CHARSET", b"iso-8859-15")]),
        (b"; name*0=one; name*1=two", [(b"NAME", b"onetwo")]),
        (b"; name*=utf-8'de'%C3%BC", [(b"NAME*", b"utf-8'de'%C3%BC")]),
        (b"; name*0*=utf-8'de'%C3; name*1*=%BC", [(b"NAME*", b"utf-8'de'%C3%BC")]),
        (b"; name*0*=utf-8''%C3%BC; name*1=\"isn't 5%\"", [(b"NAME*", b"utf-8''%C3%BCisn%27t%205%25")]),
        (b"; name*0=\"a b\"; name*1*=%C3%BC", [(b"NAME*", b"''a%20b%C3%BC")]),
        (b"; name*=utf-8''%C3%BC; name=u", [(b"NAME*", b"utf-8''%C3%BC"), (b"NAME", b"u")]),
    ],
)  # fmt: skip
def test_rfc_2231(text: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    assert list(params(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"; n*0=a; n*2=c; n*3=d", [(b"N", b"a")]),  # a gap
        (b"; n*1=b; n*2=c; m=1", [(b"M", b"1")]),  # no beginning
        (b"; n*0=a; n*0=b; n*1=c; n*1*=%64", [(b"N", b"ac")]),  # the first of two
        (b"; n*00=a; n*01=b", [(b"N", b"ab")]),  # zeros that should not be there
        (b"; n*0=a; n*4294967296=x; n*1=b", [(b"N*4294967296", b"x"), (b"N", b"ab")]),
        (b"; n*-1=a; n*x=b; n**=c; *=d; *0=e", [(b"N*-1", b"a"), (b"N*X", b"b"), (b"N**", b"c"), (b"*", b"d"), (b"*0", b"e")]),
        (b"; boundary*0=a; boundary=b; boundary*1=c", [(b"BOUNDARY", b"b")]),  # whole before sections
        (b"; boundary*=''a%0D%0A--b; boundary=", []),  # control characters
        (b"; boundary*0=; boundary*1=b", []),
    ],
)  # fmt: skip
def test_sections_that_are_not_as_they_should_be(text: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    assert list(params(text)) == expected


@pytest.mark.parametrize(
    "junk",
    [
        b"", b";;; ;", b"charset", b"=", b'="x"', b"=x", b"name=", b"a b=c", b'"quoted"', b'"quoted', b"name=foo(1.pdf",
        b'name="foo', b'name="foo\\', b'name="5" disk.pdf"', b'name="the "best" one"', b"name=my report.pdf", b"boundary=",
        b'boundary=""', b"(comment; boundary=no)", b'(it"s)', b"(isn't\\))", b"\xfc", b"name*=", b"n*1=x", b"n*0*", b":", b",",
    ],
)  # fmt: skip
def test_x35_what_cannot_be_read_loses_only_itself(junk: bytes) -> None:
    typed = read_typed(b'multipart/mixed;%b; boundary="A"; x=y' % junk)
    assert typed is not None
    assert (typed.parameter(b"BOUNDARY"), typed.parameter(b"X")) == (b"A", b"y")


@pytest.mark.parametrize(
    "text",
    [b'multipart/mixed boundary="A"', b'multipart/mixed; x="y"boundary="A"', b"multipart/mixed; x=y boundary=A",
     b"multipart/mixed;\r\n\tboundary =\r\n \"A\" ;", b"multipart/mixed; boundary=A (end", b'multipart/mixed; boundary="A'],
)  # fmt: skip
def test_a_separator_or_a_quote_that_is_missing(text: bytes) -> None:
    typed = read_typed(text)
    assert typed is not None
    assert typed.parameter(b"BOUNDARY") == b"A"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a (b (c) \\) d) e", b"a  e"),
        (b'a "(b)" (c"d) e', b'a "(b)"  e'),
        (b"a (b (c) d", b"a (b (c) d"),
        (b"a (b) (c", b"a  (c"),
        (b"a ) \\(b", b"a ) \\(b"),
        (b'a "b (c)', b'a "b (c)'),
    ],
)
def test_comments(text: bytes, expected: bytes) -> None:
    assert without_comments(text) == expected


NAMES = st.sampled_from([b"boundary", b"charset", b"name", b"filename"])
VALUES = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), min_size=1, max_size=60
)


@given(NAMES, VALUES, st.data())
def test_a_value_in_any_sections_in_any_order_is_put_together(
    name: bytes, text: str, data: st.DataObject
) -> None:
    octets = text.encode()
    cuts = sorted(data.draw(st.sets(st.integers(1, len(octets)), max_size=6)) - {len(octets)})
    pieces = [octets[start:end] for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
    extended = [data.draw(st.booleans()) for _ in pieces]
    written = []
    for number, (piece, escapes) in enumerate(zip(pieces, extended, strict=True)):
        if escapes:
            escaped = encode_rfc2231(
                piece.decode("latin-1").encode("latin-1").decode("latin-1"), "latin-1", ""
            )
            value = (
                escaped.split("'", 2)[2].encode()
                if piece.isascii()
                else b"".join(b"%%%02x" % o for o in piece)
            )
            written.append(b"%b*%d*=%b%b" % (name, number, b"" if number else b"utf-8''", value))
        else:
            quoted = piece.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            written.append(b'%b*%d="%b"' % (name, number, quoted))
    order = data.draw(st.permutations(written))
    ((key, value),) = params(b"; " + b"; ".join(order))
    if key.endswith(b"*"):
        _, _, escaped_value = value.split(b"'", 2)
        value = unquote_to_bytes(escaped_value)
    assert (key.rstrip(b"*"), value) == (name.upper(), octets)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=1, max_size=150))
def test_what_the_standard_library_writes_is_read(filename: str) -> None:
    made = Message()
    made.add_header("Content-Disposition", "attachment", filename=("utf-8", "", filename))
    typed = read_typed(made["Content-Disposition"].encode(), single=True)
    assert typed is not None
    assert typed.params[0][0] == b"FILENAME*"
    charset, _, value = typed.params[0][1].split(b"'", 2)
    assert (charset, unquote_to_bytes(value).decode()) == (b"utf-8", filename)
    assert collapse_rfc2231_value(made.get_param("filename", header="content-disposition")) == filename


PIECES = [b";", b"=", b"*", b"*0", b"*1*", b"*00", b"'", b'"', b"\\", b"%", b"%41", b"(", b")", b" ", b"\r\n ", b"a",
          b"boundary", b"charset", b"\xff", b"\0", b"9" * 30]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join))
def test_any_text_has_parameters_that_are_bounded(text: bytes) -> None:
    found = params(b";" + text)
    assert len(found) <= MAX_PARAMETERS
    assert sum(map(len, (value for _, value in found))) <= 3 * len(text) + 2 * len(found)
    assert (
        ((b"GOOD", b"yes") in params(b";" + text.replace(b'"', b"") + b"; good=yes"))
        or b"(" in text
        or b"\\" in text
    )


HOSTILE = {
    "sections": b"".join(b"; a*%d=x" % number for number in range(10_000)),
    "sections backwards": b"".join(b"; a*%d=x" % number for number in range(10_000, -1, -1)),
    "one section again and again": b"; a*0=x" * 10_000,
    "sections of many parameters": b"".join(b"; a%d*0=x" % number for number in range(10_000)),
    "escapes": b"; a*0*=" + b"%41" * 20_000,
    "escapes to be": b"; a*1*=x; a*0=" + b"\xff" * 60_000,
    "digits": b"; a*" + b"9" * 60_000 + b"=x",
    "stars": b"; a" + b"*" * 60_000 + b"=x",
    "semicolons": b";" * 60_000,
    "semicolons and names": b"; a" * 20_000,
    "spaces": b" " * 60_000 + b"x",
    "spaces before nothing": b"; a =" + b" " * 60_000 + b";",
    "quotes that do not end": b'; a="' * 15_001,
    "escaped quotes": b'; a="\\' * 10_000,
    "names": b"; " + b"a " * 30_000,
    "comments that do not end": b"(" * 60_000,
    "comments": b"()" * 30_000,
    "comments and quotes": b'("' * 30_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_x9_hostile_parameters_take_no_longer_than_their_octets(name: str) -> None:
    text = b"a/b" + HOSTILE[name]
    best = 1.0
    for _ in range(3):
        begun = time.process_time()
        typed = read_typed(text)
        best = min(best, time.process_time() - begun)
    assert typed is not None
    assert len(typed.params) <= MAX_PARAMETERS
    assert best < 0.03


def test_many_sections_are_enough_for_any_file_name() -> None:
    sections = b"".join(
        b"; filename*%d*=%b%%C3%%BC" % (n, b"" if n else b"utf-8''") for n in range(MAX_PIECES)
    )
    ((name, value),) = params(sections)
    assert (name, value) == (b"FILENAME*", b"utf-8''" + b"%C3%BC" * MAX_PIECES)
