"""Search keys on messages. RFC 3501 section 6.4.4."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.contracts.account import Detail, Row
from postroom.imap.matching import Candidate, MailboxFacts, predicate, sent_day
from postroom.mail import searchtext
from postroom.mail.mime_scan import scan
from postroom.wire.imap.commands import State
from postroom.wire.imap.framing import Frame
from postroom.wire.imap.parser import parse

from ...cost import processor_seconds

CONTENT = (
    b"From: =?iso-8859-1?Q?J=F6rg?= <joerg@alpha.example>\r\nTo: b@beta.example, c@gamma.example\r\n"
    b"Subject: =?utf-8?B?R3LDvMOf?=\r\n =?utf-8?B?ZQ==?= aus Wien\r\nDate: Tue, 07 Mar 2023 23:30:00 -0800\r\n"
    b'X-Spam: no\r\nX-Spam: a little\r\n  more\r\nReply-To: "Doe, \\"J\\"" (at (home)) <j@alpha.example>\r\n'
    b"To: second@field.example\r\nMessage-ID: <1@a>\r\nMESSAGE-ID : <2@a>\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=iso-8859-15\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Preis: 5 =A4 und eine sehr lange Zei=\r\nle\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nc2VjcmV0\r\n--b--\r\n"
)
ENVELOPE, ROOT = scan(CONTENT)
FACTS = MailboxFacts(count=9, largest=90, recent=frozenset({50}))


def message(*, loaded: bool = True) -> Candidate:
    found = Candidate(50, 5)
    if loaded:
        # 1,678,255,200 is the morning of 8 March 2023, universal time
        found.row = Row(50, frozenset({"\\Seen", "Work"}), 77, 1_678_255_200, len(CONTENT))
        found.detail = Detail(50, ENVELOPE, ROOT)
        found.content = CONTENT
    return found


def judge(text: str, found: Candidate) -> bool | None:
    command = parse(Frame(b"a SEARCH " + text.encode()), State.SELECTED).command
    return predicate(command.key, FACTS)(found)  # type: ignore[attr-defined]


TRUE = [
    "ALL", "SEEN", "UNDELETED", "KEYWORD work", "RECENT", "NOT OLD", "5", "1:3,5", "*:1", "UID 50", "UID 10:*",
    "LARGER 5",
    "SMALLER 99999", "ON 8-Mar-2023", "SINCE 8-Mar-2023", "BEFORE 9-Mar-2023", "SENTON 7-Mar-2023",
    "SENTBEFORE 8-Mar-2023", 'FROM "jörg"', "FROM JOERG@", "TO gamma", 'SUBJECT "grüsse aus"',
    'SUBJECT "GRÜßE"', "HEADER x-spam no", 'HEADER X-SPAM "little  more"', "HEADER to second@field", "HEADER TO gamma",
    "HEADER message-id 1@a", "HEADER message-id 2@a", 'HEADER reply-to "(at (home)) <j@"', r'HEADER Reply-To "\"Doe"',
    'HEADER FROM "jörg <"', "1:3000", "NOT 1000", "1:*",
    'HEADER X-SPAM ""', 'BODY "5 €"', 'BODY "lange zeile"', "TEXT wien", "MODSEQ 77", "OR DELETED SEEN",
    "NOT (SEEN DELETED)",
]  # fmt: skip
FALSE = [
    "UNSEEN", "KEYWORD other", "NEW", "4", "UID 51:*,1", "ON 7-Mar-2023", "SENTON 8-Mar-2023", "FROM wien", "CC gamma",
    'HEADER X-NONE ""', 'HEADER "" ""', 'HEADER "X-Spam: no" ""', 'HEADER " " ""', 'HEADER more ""', "1000", "NOT 1:3000", "HEADER SUBJECT wien@", "HEADER cc gamma", "BODY secret", "BODY wien", "TEXT nothing", "MODSEQ 78", "OR DELETED ANSWERED", "SEEN DELETED",
]  # fmt: skip


@pytest.mark.parametrize("text", TRUE)
def test_true(text: str) -> None:
    assert judge(text, message()) is True


@pytest.mark.parametrize("text", FALSE)
def test_false(text: str) -> None:
    assert judge(text, message()) is False


@pytest.mark.parametrize("text", TRUE + FALSE)
def test_what_is_not_known_is_never_guessed(text: str) -> None:
    early = judge(text, message(loaded=False))
    assert early in (None, judge(text, message()))


def test_one_false_key_spares_the_rest() -> None:
    found = message()
    found.content = None
    assert judge("BODY x UNSEEN", found) is False
    assert judge("OR BODY x SEEN", found) is True
    assert judge("BODY x SEEN", found) is None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        (b"Mon, 1 Jan 2024 10:00:00 +0100", date(2024, 1, 1)),
        (b" 31 Dec 99 23:59 EST", date(1999, 12, 31)),
        (b"1 January 2024", date(2024, 1, 1)),
        (b"31 Feb 2024 10:00", None),
        (b"soon", None),
        (None, None),
        (b"1 Xyz 2024 10:00", None),
    ],
)
def test_days_of_date_fields(text: bytes | None, day: date | None) -> None:
    assert sent_day(text) == day


@given(st.binary(max_size=200))
def test_any_header_is_text(octets: bytes) -> None:
    searchtext.header_text(octets)
    searchtext.header_text(b"=?" + octets + b"?=")
    searchtext.header_text(b"=?utf-8?b?" + octets + b"?=")
    list(searchtext.header_values(octets, b"X"))


@pytest.mark.parametrize(
    "charset", ["idna", "punycode", "zlib", "unicode_escape", "undefined", "rot13", "x" * 1000]
)
def test_codecs_that_are_no_charsets_are_not_used(charset: str) -> None:
    assert searchtext.plain_text("ä".encode(), charset) == "ä"


def test_x08_twenty_thousand_encoded_words() -> None:
    value = b"=?utf-8?q?a?= " * 20_000
    assert searchtext.header_text(value).startswith("aaaa")
    assert processor_seconds(lambda: searchtext.header_text(value), 0.25) < 0.25
