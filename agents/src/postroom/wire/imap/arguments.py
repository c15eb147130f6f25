"""Arguments of the commands that have any, LIST and its kin left to `listing`. RFC 3501 section 9."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from postroom.mail import flags
from postroom.mail.dates import clamped
from postroom.wire.imap import commands, names, sequence
from postroom.wire.imap.fetchitems import Item, parse_items
from postroom.wire.imap.scanner import Scanner
from postroom.wire.imap.searchkeys import parse_date

MAX_FLAGS: Final = 100
_ID_PAIRS: Final = 30  # RFC 2971 section 3.3
_DATE_TIME: Final = re.compile(
    rb" *+(\d{1,2}-[A-Za-z]{3}-\d{4}) ++(\d\d):(\d\d):(\d\d) ++([+-])(\d\d)(\d\d)\Z",
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RESULTS: Final = frozenset({b"MIN", b"MAX", b"ALL", b"COUNT"})

Reader = Callable[[Scanner], commands.Command]


def mailbox(scanner: Scanner) -> str:
    """mailbox. Raises BadName beside BadSyntax."""
    return names.decode(scanner.astring())


def message_set(scanner: Scanner) -> sequence.SequenceSet:
    """sequence-set."""
    return sequence.parse(scanner.sequence_text())


def flag(scanner: Scanner) -> str:
    """A flag that a client may set: system flags in one spelling, keywords as written."""
    try:
        return flags.flag(scanner.flag().decode("ascii"))
    except flags.FlagError:
        scanner.fail("flag cannot be set")


def flag_list(scanner: Scanner) -> frozenset[str]:
    """flag-list: in parentheses, perhaps empty."""
    scanner.open()
    found = [] if scanner.peek(b")") else _flags(scanner)
    scanner.close()
    return frozenset(found)


def _flags(scanner: Scanner) -> list[str]:
    found = [flag(scanner)]
    while scanner.accept_space():
        if len(found) >= MAX_FLAGS:
            scanner.fail("too many flags")
        found.append(flag(scanner))
    return found


def identification(scanner: Scanner) -> commands.Command:
    """ID: NIL, or at most 30 pairs. RFC 2971 section 3.1."""
    scanner.space()
    if not scanner.accept_open():
        if scanner.nstring() is not None:
            scanner.fail("parameter list or NIL expected")
        return commands.Id()
    for number in range(_ID_PAIRS + 1):
        if scanner.accept_close():
            return commands.Id()
        if number:
            scanner.space()
        scanner.string()
        scanner.space()
        scanner.nstring()
    scanner.close()
    return commands.Id()


def authenticate(scanner: Scanner) -> commands.Command:
    """AUTHENTICATE with RFC 4959's initial response."""
    scanner.space()
    mechanism = scanner.word().decode("ascii")
    initial = scanner.base64_text() if scanner.accept_space() else None
    return commands.Authenticate(mechanism, initial)


def login(scanner: Scanner) -> commands.Command:
    """LOGIN."""
    scanner.space()
    name = scanner.astring()
    scanner.space()
    return commands.Login(name, scanner.astring())


def enable(scanner: Scanner) -> commands.Command:
    """ENABLE."""
    scanner.space()
    wanted = [scanner.word()]
    while scanner.accept_space():
        wanted.append(scanner.word())
    return commands.Enable(tuple(wanted[:100]))


def select(*, writable: bool) -> Reader:
    """SELECT or EXAMINE, with the parameters of RFC 4466 section 2.1."""

    def read(scanner: Scanner) -> commands.Command:
        scanner.space()
        name = mailbox(scanner)
        if not scanner.accept_space():
            return commands.Select(name, writable)
        scanner.open()
        if scanner.word() != b"CONDSTORE":
            scanner.fail("unknown parameter")
        scanner.close()
        return commands.Select(name, writable, condstore=True)

    return read


def create(scanner: Scanner) -> commands.Command:
    """CREATE with `(USE (...))`. RFC 6154 section 6. A trailing delimiter is dropped (RFC 3501 section 6.3.3)."""
    scanner.space()
    name = mailbox(scanner)
    name = name[:-1] if len(name) > 1 and name.endswith("/") else name
    if not scanner.accept_space():
        return commands.Create(name)
    scanner.open()
    if scanner.word() != b"USE":
        scanner.fail("unknown parameter")
    scanner.space()
    scanner.open()
    uses: list[str] = []
    while not scanner.accept_close():
        if uses:
            scanner.space()
        uses.append(scanner.flag().decode("ascii"))
    scanner.close()
    return commands.Create(name, tuple(uses))


def rename(scanner: Scanner) -> commands.Command:
    """RENAME."""
    scanner.space()
    old = mailbox(scanner)
    scanner.space()
    return commands.Rename(old, mailbox(scanner))


def append(scanner: Scanner) -> commands.Command:
    """APPEND."""
    scanner.space()
    name = mailbox(scanner)
    scanner.space()
    given: frozenset[str] = frozenset()
    if scanner.peek(b"("):
        given = flag_list(scanner)
        scanner.space()
    date = None
    if scanner.peek(b'"'):
        date = date_time(scanner)
        scanner.space()
    return commands.Append(name, given, date, scanner.literal())


def date_time(scanner: Scanner) -> int:
    """Return date-time as seconds since 1970; one that its zone moves out of years 1 to 9999 is clamped."""
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


def get_quota(scanner: Scanner) -> commands.Command:
    """GETQUOTA."""
    scanner.space()
    return commands.GetQuota(scanner.astring())


def set_quota(scanner: Scanner) -> commands.Command:
    """SETQUOTA: read, so that a refusal is NO and not BAD."""
    scanner.space()
    scanner.astring()
    scanner.space()
    scanner.open()
    first = True
    while not scanner.accept_close():
        if not first:
            scanner.space()
        first = False
        scanner.atom()
        scanner.space()
        scanner.number((1 << 63) - 1)
    return commands.SetQuota()


def uid_expunge(scanner: Scanner) -> commands.Command:
    """UID EXPUNGE."""
    scanner.space()
    return commands.Expunge(message_set(scanner))


def fetch(*, uid: bool) -> Reader:
    """FETCH and UID FETCH, with RFC 7162's modifier; what it implies is added to the items."""

    def read(scanner: Scanner) -> commands.Command:
        scanner.space()
        wanted = message_set(scanner)
        scanner.space()
        items = parse_items(scanner)
        since = None
        if scanner.accept_space():
            scanner.open()
            if scanner.word() != b"CHANGEDSINCE":
                scanner.fail("unknown modifier")
            scanner.space()
            since = scanner.mod_sequence()
            scanner.close()
            items = (*items, Item.MODSEQ)
        implied = (Item.UID, *items) if uid else items
        return commands.Fetch(wanted, uid, tuple(dict.fromkeys(implied)), since)

    return read


def store(*, uid: bool) -> Reader:
    """STORE and UID STORE."""

    def read(scanner: Scanner) -> commands.Command:
        scanner.space()
        wanted = message_set(scanner)
        scanner.space()
        since = None
        if scanner.accept_open():
            if scanner.word() != b"UNCHANGEDSINCE":
                scanner.fail("unknown modifier")
            scanner.space()
            since = scanner.mod_sequence()
            scanner.close()
            scanner.space()
        word = scanner.word()
        sign = word[:1].decode() if word[:1] in (b"+", b"-") else ""
        item = word[len(sign) :]
        if item not in (b"FLAGS", b"FLAGS.SILENT"):
            scanner.fail("FLAGS expected")
        scanner.space()
        given = flag_list(scanner) if scanner.peek(b"(") else frozenset(_flags(scanner))
        return commands.Store(wanted, uid, sign, item == b"FLAGS.SILENT", given, since)

    return read


def copy(*, uid: bool, move: bool) -> Reader:
    """COPY, MOVE and their UID forms."""

    def read(scanner: Scanner) -> commands.Command:
        scanner.space()
        wanted = message_set(scanner)
        scanner.space()
        return commands.Copy(wanted, uid, mailbox(scanner), move)

    return read


def search_results(scanner: Scanner) -> frozenset[bytes] | None:
    """RETURN (...) of RFC 4731 with the space behind it; an empty list means ALL. None when absent."""
    if not scanner.accept_word(b"RETURN"):
        return None
    scanner.space()
    scanner.open()
    results: list[bytes] = []
    while not scanner.accept_close():
        if results:
            scanner.space()
        results.append(scanner.word())
        if results[-1] not in _RESULTS:
            scanner.fail("unknown search result option")
    scanner.space()
    return frozenset(results) or frozenset({b"ALL"})
