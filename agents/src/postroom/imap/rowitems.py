"""FETCH items that a row of the mailbox answers, without opening the message. RFC 3501 section 7.4.2."""

from collections.abc import Callable, Sequence

from postroom.contracts.account import Row
from postroom.imap.view import View
from postroom.wire.imap import responses
from postroom.wire.imap.fetchitems import FetchItem, Item


class RowItems:
    """Turn rows of one view into FETCH items. Messages share few sets of flags, so each set is written once."""

    __slots__ = ("_known", "_view")

    def __init__(self, view: View) -> None:
        self._view = view
        self._known: dict[frozenset[str], bytes] = {}

    def makers(self, items: Sequence[FetchItem]) -> list[Callable[[Row], bytes]]:
        """Return, for each item, the function that answers it from a row."""
        return [self.maker(item) for item in items]

    def maker(self, item: FetchItem) -> Callable[[Row], bytes]:
        """Return the function that answers an item from a row."""
        match item:
            case Item.UID:
                return _uid
            case Item.FLAGS:
                return self._flags
            case Item.INTERNALDATE:
                return _internal_date
            case Item.SIZE:
                return _size
        return _modseq

    def _flags(self, row: Row) -> bytes:
        if row.uid in self._view.recent:
            return b"FLAGS " + self._view.flags(row)
        known = self._known.get(row.flags)
        if known is None:
            known = self._known[row.flags] = b"FLAGS " + responses.flags(row.flags)
        return known


def _uid(row: Row) -> bytes:
    return b"UID %d" % row.uid


def _size(row: Row) -> bytes:
    return b"RFC822.SIZE %d" % row.size


def _modseq(row: Row) -> bytes:
    return b"MODSEQ (%d)" % row.modseq


def _internal_date(row: Row) -> bytes:
    return b"INTERNALDATE " + responses.date_time(row.internal_date)
