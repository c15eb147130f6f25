"""LIST, LSUB, STATUS and their answers. RFC 3501 section 6.3, RFC 5258, RFC 5819, RFC 6154."""

from collections.abc import Iterable
from typing import Final

from postroom.wire.imap import names, responses
from postroom.wire.imap.arguments import mailbox
from postroom.wire.imap.commands import AFTER_LOGIN, Command, Family, Verb
from postroom.wire.imap.scanner import Scanner

MAX_PATTERNS: Final = 64
_SELECTION: Final = frozenset({b"SUBSCRIBED", b"REMOTE", b"RECURSIVEMATCH", b"SPECIAL-USE"})
_BASE: Final = frozenset({b"SUBSCRIBED", b"SPECIAL-USE"})
_RETURNS: Final = frozenset({b"SUBSCRIBED", b"CHILDREN", b"SPECIAL-USE"})
STATUS_ITEMS: Final = frozenset(
    {
        b"MESSAGES",
        b"RECENT",
        b"UIDNEXT",
        b"UIDVALIDITY",
        b"UNSEEN",
        b"HIGHESTMODSEQ",  # RFC 7162 section 3.1.7
        b"DELETED-STORAGE",  # RFC 9208 section 4.1.4
    }
)


class List(Command, frozen=True):
    """LIST with RFC 5258 (selection, return options), RFC 5819 (`status`), RFC 6154. Option names in upper case.

    `patterns` are those that a name can match; there may be none.
    """

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[bytes] = frozenset()
    returns: frozenset[bytes] = frozenset()
    status: tuple[bytes, ...] = ()
    extended: bool = False


class Lsub(Command, frozen=True):
    """RFC 3501 section 6.3.9; `pattern` is None where no name can match it."""

    reference: str
    pattern: str | None


class StatusOf(Command, frozen=True):
    """STATUS; items in upper case."""

    mailbox: str
    items: tuple[bytes, ...]


def list_line(kind: bytes, attributes: Iterable[bytes], name: str, extended: bytes = b"") -> bytes:
    """Return LIST or LSUB; the hierarchy delimiter is `/`."""
    tail = b" " + extended if extended else b""
    return b'* %b (%b) "/" %b%b\r\n' % (kind, b" ".join(attributes), responses.mailbox(name), tail)


def status_line(name: str, values: Iterable[tuple[bytes, int]]) -> bytes:
    """Return STATUS with items and their values."""
    written = b" ".join([b"%b %d" % value for value in values])
    return responses.untagged(b"STATUS", responses.mailbox(name), b"(" + written + b")")


def _list(scanner: Scanner) -> Command:
    """Read LIST, basic or extended."""
    scanner.space()
    selection: frozenset[bytes] = frozenset()
    extended = scanner.accept_open()
    if extended:
        selection = _options(scanner, _SELECTION)
        if b"RECURSIVEMATCH" in selection and not selection & _BASE:
            scanner.fail("RECURSIVEMATCH needs another selection option")
        scanner.space()
    reference = _pattern(scanner.astring())
    scanner.space()
    if scanner.accept_open():
        extended = True
        written = _patterns(scanner)
    else:
        written = (_pattern(scanner.list_mailbox()),)
    returns: frozenset[bytes] = frozenset()
    status: tuple[bytes, ...] = ()
    if scanner.accept_space():
        extended = True
        if not scanner.accept_word(b"RETURN"):
            scanner.fail("RETURN expected")
        scanner.space()
        scanner.open()
        returns, status = _returns(scanner)
    patterns = () if reference is None else tuple(pattern for pattern in written if pattern is not None)
    return List(reference or "", patterns, selection, returns, status, extended)


def _pattern(octets: bytes) -> str | None:
    """Return the pattern or reference; None for one that no name can match, since names are modified UTF-7."""
    try:
        return names.decode_pattern(octets)
    except names.BadName:
        return None


def _patterns(scanner: Scanner) -> tuple[str | None, ...]:
    found = [_pattern(scanner.list_mailbox())]
    while scanner.accept_space():
        if len(found) >= MAX_PATTERNS:
            scanner.fail("too many patterns")
        found.append(_pattern(scanner.list_mailbox()))
    scanner.close()
    return tuple(found)


def _options(scanner: Scanner, known: frozenset[bytes]) -> frozenset[bytes]:
    found: list[bytes] = []
    while not scanner.accept_close():
        if found:
            scanner.space()
        found.append(scanner.word())
        if found[-1] not in known:
            scanner.fail("unknown option")
    return frozenset(found)


def _returns(scanner: Scanner) -> tuple[frozenset[bytes], tuple[bytes, ...]]:
    found: list[bytes] = []
    status: tuple[bytes, ...] = ()
    while not scanner.accept_close():
        if found:
            scanner.space()
        found.append(scanner.word())
        if found[-1] == b"STATUS":
            scanner.space()
            status = _status_items(scanner)
        elif found[-1] not in _RETURNS:
            scanner.fail("unknown return option")
    return frozenset(found), status


def _lsub(scanner: Scanner) -> Command:
    scanner.space()
    reference = _pattern(scanner.astring())
    scanner.space()
    pattern = _pattern(scanner.list_mailbox())
    return Lsub(reference or "", None if reference is None else pattern)


def _status(scanner: Scanner) -> Command:
    scanner.space()
    name = mailbox(scanner)
    scanner.space()
    return StatusOf(name, _status_items(scanner))


def _status_items(scanner: Scanner) -> tuple[bytes, ...]:
    scanner.open()
    items = [scanner.word()]
    while scanner.accept_space():
        items.append(scanner.word())
    scanner.close()
    if not STATUS_ITEMS.issuperset(items):
        scanner.fail("unknown STATUS item")
    return tuple(dict.fromkeys(items))


FAMILY: Final = Family(
    {
        b"LIST": Verb(AFTER_LOGIN, _list),
        b"LSUB": Verb(AFTER_LOGIN, _lsub),
        b"STATUS": Verb(AFTER_LOGIN, _status),
    },
    capabilities=(b"CHILDREN", b"SPECIAL-USE", b"LIST-EXTENDED", b"LIST-STATUS"),
)
