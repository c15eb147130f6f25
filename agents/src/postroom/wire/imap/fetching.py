"""FETCH and UID FETCH. RFC 3501 section 6.4.5, RFC 7162 section 3.1.4; the items are in `fetchitems`."""

from typing import Final

from postroom.wire.imap.arguments import message_set
from postroom.wire.imap.commands import SELECTED, Command, Family, Reader, Verb
from postroom.wire.imap.fetchitems import FetchItem, Item, parse_items
from postroom.wire.imap.scanner import Scanner
from postroom.wire.imap.sequence import SequenceSet


class Fetch(Command, frozen=True):
    """FETCH; `changed_since` is the modifier of RFC 7162."""

    set: SequenceSet
    uid: bool
    items: tuple[FetchItem, ...]
    changed_since: int | None = None


def _fetch(*, uid: bool) -> Reader:
    """Return the reader of FETCH or UID FETCH; what UID and CHANGEDSINCE imply is added to the items."""

    def read(scanner: Scanner) -> Command:
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
        return Fetch(wanted, uid, tuple(dict.fromkeys(implied)), since)

    return read


FAMILY: Final = Family({b"FETCH": Verb(SELECTED, _fetch(uid=False))}, by_uid={b"FETCH": _fetch(uid=True)})
