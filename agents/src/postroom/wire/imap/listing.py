"""Arguments of LIST, LSUB and STATUS. RFC 3501, RFC 5258, RFC 5819, RFC 6154."""

from typing import Final

from postroom.wire.imap import commands, names
from postroom.wire.imap.arguments import mailbox
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


def read_list(scanner: Scanner) -> commands.Command:
    """LIST, basic or extended."""
    scanner.space()
    selection: frozenset[bytes] = frozenset()
    extended = scanner.accept(b"(")
    if extended:
        selection = _options(scanner, _SELECTION)
        if b"RECURSIVEMATCH" in selection and not selection & _BASE:
            scanner.fail("RECURSIVEMATCH needs another selection option")
        scanner.space()
    reference = names.decode_pattern(scanner.astring())
    scanner.space()
    if scanner.accept(b"("):
        extended = True
        patterns = _patterns(scanner)
    else:
        patterns = (names.decode_pattern(scanner.list_mailbox()),)
    returns: frozenset[bytes] = frozenset()
    status: tuple[bytes, ...] = ()
    if scanner.accept(b" "):
        extended = True
        if not scanner.accept_word(b"RETURN"):
            scanner.fail("RETURN expected")
        scanner.space()
        scanner.expect(b"(")
        returns, status = _returns(scanner)
    return commands.List(reference, patterns, selection, returns, status, extended)


def _patterns(scanner: Scanner) -> tuple[str, ...]:
    found = [names.decode_pattern(scanner.list_mailbox())]
    while scanner.accept(b" "):
        if len(found) >= MAX_PATTERNS:
            scanner.fail("too many patterns")
        found.append(names.decode_pattern(scanner.list_mailbox()))
    scanner.expect(b")")
    return tuple(found)


def _options(scanner: Scanner, known: frozenset[bytes]) -> frozenset[bytes]:
    found: list[bytes] = []
    while not scanner.accept(b")"):
        if found:
            scanner.space()
        found.append(scanner.word())
        if found[-1] not in known:
            scanner.fail("unknown option")
    return frozenset(found)


def _returns(scanner: Scanner) -> tuple[frozenset[bytes], tuple[bytes, ...]]:
    found: list[bytes] = []
    status: tuple[bytes, ...] = ()
    while not scanner.accept(b")"):
        if found:
            scanner.space()
        found.append(scanner.word())
        if found[-1] == b"STATUS":
            scanner.space()
            status = _status_items(scanner)
        elif found[-1] not in _RETURNS:
            scanner.fail("unknown return option")
    return frozenset(found), status


def read_lsub(scanner: Scanner) -> commands.Command:
    """LSUB."""
    scanner.space()
    reference = names.decode_pattern(scanner.astring())
    scanner.space()
    return commands.Lsub(reference, names.decode_pattern(scanner.list_mailbox()))


def read_status(scanner: Scanner) -> commands.Command:
    """STATUS."""
    scanner.space()
    name = mailbox(scanner)
    scanner.space()
    return commands.StatusOf(name, _status_items(scanner))


def _status_items(scanner: Scanner) -> tuple[bytes, ...]:
    scanner.expect(b"(")
    items = [scanner.word()]
    while scanner.accept(b" "):
        items.append(scanner.word())
    scanner.expect(b")")
    if not STATUS_ITEMS.issuperset(items):
        scanner.fail("unknown STATUS item")
    return tuple(dict.fromkeys(items))
