"""Addresses as RFC 3501 shows them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail.envelope import MAX_MAILBOXES, envelope_of, read_mailboxes
from postroom.mail.mime import EnvelopeAddress

END = EnvelopeAddress(None, None, None, None)


def box(local: bytes, host: bytes, name: bytes | None = None, route: bytes | None = None) -> EnvelopeAddress:
    return EnvelopeAddress(name, route, local, host)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a@b", [box(b"a", b"b")]),
        (b"Ada Lovelace <ada@alpha.example>", [box(b"ada", b"alpha.example", b"Ada Lovelace")]),
        (b'"Lovelace, Ada" <ada@a>, bob@b', [box(b"ada", b"a", b"Lovelace, Ada"), box(b"bob", b"b")]),
        (b'"say \\"hi\\"" <a@b>', [box(b"a", b"b", b'say "hi"')]),
        (b"=?utf-8?q?=C3=A4?= <a@b>", [box(b"a", b"b", b"=?utf-8?q?=C3=A4?=")]),
        (b"J. R. Doe <j@d>", [box(b"j", b"d", b"J. R. Doe")]),
        (b"a@b (Ada)", [box(b"a", b"b", b"Ada")]),
        (b"(x (y) z) a@b", [box(b"a", b"b", b"x (y) z")]),
        (b'"a b"@c', [box(b"a b", b"c")]),
        (b"a . b @ c", [box(b"a.b", b"c")]),
        (b"<@one,@two:a@b>", [box(b"a", b"b", None, b"@one,@two")]),
        (b"a@[192.0.2.1]", [box(b"a", b"[192.0.2.1]")]),
        (b"<>", []),
        (b"", []),
        (b" , ,", []),
        (b"nobody", [box(b"nobody", b"")]),
        (b"undisclosed-recipients:;", [EnvelopeAddress(None, None, b"undisclosed-recipients", None), END]),
        (b"t: a@b, c@d;, e@f", [EnvelopeAddress(None, None, b"t", None), box(b"a", b"b"), box(b"c", b"d"), END, box(b"e", b"f")]),
        (b"t: (comment) ;", [EnvelopeAddress(None, None, b"t", None), END]),
        (b"t (x): (y (z)), a@b, (c);", [EnvelopeAddress(None, None, b"t", None), box(b"a", b"b"), END]),
        (b"(comment)", []),
        (b"(one), a@b, (two) , (three", [box(b"a", b"b")]),
        (b'""', []),
        (b"<@>", [box(b"", b"")]),
        (b"t: a@b", [EnvelopeAddress(None, None, b"t", None), box(b"a", b"b"), END]),
    ],
)  # fmt: skip
def test_mailboxes(text: bytes, expected: list[EnvelopeAddress]) -> None:
    assert list(read_mailboxes(text)) == expected


def test_sender_and_reply_to_are_from_when_missing() -> None:
    envelope = envelope_of({b"from": b"a@b", b"sender": b"", b"subject": b" x\r\n y ", b"bcc": b"c@d"})
    assert envelope.sender == envelope.reply_to == envelope.from_ == (box(b"a", b"b"),)
    assert (envelope.subject, envelope.date, envelope.to) == (b"x y", None, ())


@pytest.mark.parametrize(
    "text", [b"", b"(nobody)", b" (a) , (b)", b"<>", b'""', b"No Reply <>", b"\r\n ", b"<@>"]
)
def test_who_cannot_be_reached_is_no_sender_and_gets_no_reply(text: bytes) -> None:
    envelope = envelope_of({b"from": b"a@b", b"sender": text, b"reply-to": text})
    assert envelope.sender == envelope.reply_to == (box(b"a", b"b"),)


@pytest.mark.parametrize("text", [b"nobody:;", b"(x) c@d", b"postmaster"])
def test_a_group_and_a_name_without_a_host_stay(text: bytes) -> None:
    envelope = envelope_of({b"from": b"a@b", b"reply-to": text})
    assert envelope.reply_to == read_mailboxes(text) != ()


def test_no_more_than_the_limit() -> None:
    assert len(read_mailboxes(b"a@b," * (3 * MAX_MAILBOXES))) == MAX_MAILBOXES


@given(st.text(alphabet='ab@<>()",;:\\ \t.', max_size=80).map(str.encode))
def test_any_text_is_read(text: bytes) -> None:
    for mailbox in read_mailboxes(text):
        assert mailbox.host is not None or mailbox.name is None
