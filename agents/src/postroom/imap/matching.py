"""Search keys as predicates of messages. RFC 3501 section 6.4.4.

A predicate returns True, False, or None when it needs more of the message. Rows are tried first, then envelopes,
headers and contents, so that most searches open no file.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import Final

import msgspec

from postroom.contracts import search as keys
from postroom.contracts.account import Detail, Row
from postroom.mail import searchtext
from postroom.mail.mime import EnvelopeAddress
from postroom.policy.searchrows import combined, compares, member_judge, row_judge
from postroom.wire.imap.sections import header_end

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), 1
    )
}
_SENT: Final = re.compile(rb"(?:[A-Za-z]+,)?\s*(\d{1,2})\s+([A-Za-z]{3})[A-Za-z]*\s+(\d{2,4})\b")
_ADDRESSES: Final = {b"FROM": "from_", b"TO": "to", b"CC": "cc", b"BCC": "bcc"}


class Candidate(msgspec.Struct, gc=False):
    """What has been read of a message so far. `gc=False` keeps thousands of them out of garbage collection."""

    uid: int
    number: int
    row: Row | None = None
    detail: Detail | None = None
    header: bytes | None = None
    content: bytes | None = None


Predicate = Callable[[Candidate], bool | None]


class MailboxFacts:
    """What the keys refer to: the view's size, its largest UID and the recent messages."""

    __slots__ = ("count", "largest", "recent")

    def __init__(self, count: int, largest: int, recent: frozenset[int]) -> None:
        self.count = count
        self.largest = largest
        self.recent = recent


def predicate(key: keys.Key, facts: MailboxFacts) -> Predicate:
    """Return the key as a function. A number without a message matches none, as on other servers."""

    def leaf(key: keys.Key) -> Predicate:
        match key:
            case keys.Members(ranges, True):
                by_uid = member_judge(keys.resolved(ranges, facts.largest))
                return lambda message: by_uid(message.uid)
            case keys.Members(ranges, False):
                by_number = member_judge(keys.resolved(ranges, facts.count))
                return lambda message: by_number(message.number)
            case keys.Recent(present):
                return lambda message: (message.uid in facts.recent) is present
            case keys.Header(name, text):
                return _header(name, text.casefold())
            case keys.InEnvelope(name, text):
                return _in_envelope(name, text.casefold())
            case keys.Body(text, header):
                return _body(text.casefold(), header)
            case keys.Day(_, _, True):
                return _sent(key)
        return _of_row(key)

    return combined(key, leaf)


def _of_row(key: keys.Key) -> Predicate:
    judge = row_judge(key)
    if judge is None:
        raise TypeError(f"no predicate for {key!r}")
    return lambda message: None if message.row is None else judge(message.row)


def _header(name: bytes, text: str) -> Predicate:
    def judge(message: Candidate) -> bool | None:
        header = message.header
        if header is None:
            if message.content is None:
                return None
            header = message.content[: header_end(message.content)]
        return any(text in value for value in searchtext.header_values(header, name))

    return judge


def _in_envelope(name: bytes, text: str) -> Predicate:
    if name == b"SUBJECT":
        return _subject(text)
    attribute = _ADDRESSES[name]

    def judge(message: Candidate) -> bool | None:
        if message.detail is None:
            return None
        boxes: tuple[EnvelopeAddress, ...] = getattr(message.detail.envelope, attribute)
        return any(text in searchtext.header_text(_written(box)) for box in boxes)

    return judge


def _written(box: EnvelopeAddress) -> bytes:
    address = (box.mailbox or b"") + (b"@" + box.host if box.host else b"")
    return (box.name + b" " if box.name else b"") + b"<" + address + b">"


def _subject(text: str) -> Predicate:
    def judge(message: Candidate) -> bool | None:
        if message.detail is None:
            return None
        value = message.detail.envelope.subject
        return value is not None and text in searchtext.header_text(value)

    return judge


def _body(text: str, header: bool) -> Predicate:
    def judge(message: Candidate) -> bool | None:
        content, detail = message.content, message.detail
        if content is None or detail is None:
            return None
        if header and text in searchtext.whole_header(content[: header_end(content)]):
            return True
        return any(text in part for part in searchtext.body_texts(content, detail.structure, len(text)))

    return judge


def _sent(key: keys.Day) -> Predicate:
    def judge(message: Candidate) -> bool | None:
        if message.detail is None:
            return None
        sent = sent_day(message.detail.envelope.date)
        return sent is not None and compares(key.when, sent, key.day)

    return judge


def sent_day(text: bytes | None) -> date | None:
    """Return the day of a Date field in the sender's zone, or None; short years as in RFC 5322 section 4.3."""
    found = _SENT.match(text.strip()) if text else None
    month = _MONTHS.get(found[2].lower()) if found else None
    if found is None or month is None:
        return None
    year = int(found[3])
    if len(found[3]) == 2:
        year += 2000 if year < 50 else 1900
    elif len(found[3]) == 3:
        year += 1900
    try:
        return date(year, month, int(found[1]))
    except ValueError:
        return None
