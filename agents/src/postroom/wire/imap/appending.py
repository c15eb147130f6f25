"""APPEND. RFC 3501 section 6.3.11, RFC 4315."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from postroom.mail.dates import clamped
from postroom.wire.imap.arguments import flag_list, mailbox
from postroom.wire.imap.commands import AFTER_LOGIN, Command, Family, Verb
from postroom.wire.imap.scanner import Scanner
from postroom.wire.imap.searchkeys import parse_date

_DATE_TIME: Final = re.compile(
    rb" *+(\d{1,2}-[A-Za-z]{3}-\d{4}) ++(\d\d):(\d\d):(\d\d) ++([+-])(\d\d)(\d\d)\Z",
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Append(Command, frozen=True):
    """RFC 3501 section 6.3.11; `date` in seconds since 1970, None when the client gave none."""

    mailbox: str
    flags: frozenset[str]
    date: int | None
    message: bytes


def append_uid(uidvalidity: int, uid: int) -> bytes:
    """Return the response code APPENDUID. RFC 4315 section 3."""
    return b"APPENDUID %d %d" % (uidvalidity, uid)


def _append(scanner: Scanner) -> Command:
    scanner.space()
    name = mailbox(scanner)
    scanner.space()
    given: frozenset[str] = frozenset()
    if scanner.peek(b"("):
        given = flag_list(scanner)
        scanner.space()
    date = None
    if scanner.peek(b'"'):
        date = _date_time(scanner)
        scanner.space()
    return Append(name, given, date, scanner.literal())


def _date_time(scanner: Scanner) -> int:
    """Read date-time as seconds since 1970; one that its zone moves out of years 1 to 9999 is clamped."""
    found = _DATE_TIME.match(scanner.string())
    day = parse_date(found[1]) if found else None
    if found is None or day is None:
        scanner.fail("date and time expected")
    hour, minute, second, zone_hours, zone_minutes = (int(found[group]) for group in (2, 3, 4, 6, 7))
    if hour > 23 or minute > 59 or second > 60 or zone_hours > 23 or zone_minutes > 59:
        scanner.fail("date and time expected")
    zone = timedelta(hours=zone_hours, minutes=zone_minutes) * (-1 if found[5] == b"-" else 1)
    moment = datetime(day.year, day.month, day.day, hour, minute, min(second, 59), tzinfo=timezone(zone))
    return clamped((moment - _EPOCH) // timedelta(seconds=1))


FAMILY: Final = Family({b"APPEND": Verb(AFTER_LOGIN, _append)})
