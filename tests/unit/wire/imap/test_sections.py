"""Sections and structures of real messages. RFC 3501 sections 6.4.5 and 7.4.2."""

import pytest
from postroom.mail.mime import Envelope, Part
from postroom.mail.mime_scan import scan
from postroom.wire.imap import sections, structure
from postroom.wire.imap.fetchitems import Section, Text
from postroom.wire.imap.sections import chosen_fields, region, slice_of

INNER = (
    b"Subject: inner\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n"
    b"--i\r\n\r\nfirst\r\n--i\r\n\r\nsecond\r\n--i--\r\n"
)
MAIL = (
    b"Subject: outer\r\nFrom: a@b.example\r\nX: 1\r\n two\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=o\r\n\r\npreamble\r\n--o\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    b"--o\r\nContent-Type: message/rfc822\r\n\r\n" + INNER + b"\r\n--o--\r\n"
)
PLAIN = b"Subject: p\r\n\r\nbody\r\n"


def cut(content: bytes, text: Text = Text.ALL, part: tuple[int, ...] = (), **other: object) -> bytes | None:
    section, root = Section(b"", text, part, **other), scan(content)[1]  # type: ignore[arg-type]
    found = slice_of(section, content, root)
    where = region(section, root)
    assert (where is None) is (found is None)
    if found is None or where is None:
        return None
    assert sections.cut(section, content[slice(*where)]) == found
    return bytes(found)


@pytest.mark.parametrize(
    ("text", "part", "wanted"),
    [
        (Text.ALL, (), MAIL),
        (Text.HEADER, (), MAIL[: MAIL.index(b"preamble")]),
        (Text.TEXT, (), MAIL[MAIL.index(b"preamble") :]),
        (Text.ALL, (1,), b"hello"),
        (Text.MIME, (1,), b"Content-Type: text/plain\r\n\r\n"),
        (Text.HEADER, (1,), None),
        (Text.ALL, (1, 1), None),
        (Text.ALL, (2,), INNER),
        (Text.HEADER, (2,), INNER[: INNER.index(b"--i")]),
        (Text.TEXT, (2,), INNER[INNER.index(b"--i") :]),
        (Text.ALL, (2, 1), b"first"),
        (Text.ALL, (2, 2), b"second"),
        (Text.MIME, (2, 2), b"\r\n"),
        (Text.ALL, (2, 3), None),
        (Text.ALL, (3,), None),
        (Text.ALL, (2, 1, 1), None),
    ],
)
def test_parts(text: Text, part: tuple[int, ...], wanted: bytes | None) -> None:
    assert cut(MAIL, text, part) == wanted


def test_a_message_without_parts_has_one() -> None:
    assert cut(PLAIN, Text.ALL, (1,)) == b"body\r\n"
    assert cut(PLAIN, Text.ALL, (2,)) is None
    assert cut(PLAIN, Text.ALL, (1, 1)) is None


def test_partial() -> None:
    assert cut(PLAIN, Text.TEXT, start=1, count=2) == b"od"
    assert cut(PLAIN, Text.TEXT, start=100, count=2) == b""
    assert cut(MAIL, Text.ALL, (1,), start=3, count=100) == b"lo"


def test_fields() -> None:
    fields = frozenset({b"X", b"FROM", b"NOT-THERE"})
    assert cut(MAIL, Text.FIELDS, fields=fields) == b"From: a@b.example\r\nX: 1\r\n two\r\n\r\n"
    rest = cut(MAIL, Text.FIELDS_NOT, fields=fields)
    assert rest is not None
    assert rest.startswith(b"Subject: outer\r\nMIME-Version")
    assert rest.endswith(b"boundary=o\r\n\r\n")
    assert cut(MAIL, Text.FIELDS, (2,), fields=frozenset({b"SUBJECT"})) == b"Subject: inner\r\n\r\n"
    assert chosen_fields(b"A: 1", frozenset({b"A"}), without=False) == b"A: 1\r\n\r\n"
    assert chosen_fields(b"", frozenset({b"A"}), without=False) == b"\r\n"


def test_structure_of_a_nested_message() -> None:
    envelope, root = scan(MAIL)
    text = structure.body(root, extended=False)
    assert text.count(b"(") == text.count(b")")
    assert text.startswith(b'(("TEXT" "PLAIN" ')
    assert b'("MESSAGE" "RFC822" NIL NIL NIL "7BIT" %d (NIL "inner"' % len(INNER) in text
    assert text.endswith(b' "MIXED")')
    assert b'"BOUNDARY" "o"' in structure.body(root, extended=True)
    assert structure.envelope(envelope).startswith(b'(NIL "outer" ((NIL NIL "a" "b.example")) ((NIL NIL "a"')


def test_structures_without_inside_still_name_a_body() -> None:
    empty = Part(0, 0, 0, 0, b"MULTIPART", b"MIXED")
    assert structure.body(empty, extended=False) == b'(("TEXT" "PLAIN" NIL NIL NIL "7BIT" 0 0) "MIXED")'
    message = Part(0, 0, 9, 1, b"MESSAGE", b"RFC822")
    assert b'"7BIT" 9 (NIL NIL' in structure.body(message, extended=True)
    assert structure.envelope(Envelope()) == b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"
