"""The log of expunged UIDs, for clients that were away. RFC 7162 section 3.2.6.

Room rule: the log of a mailbox is bounded. Forgotten entries are summed up in one row with UID 0 (never a real UID); it
holds the mod-sequence below which the log is incomplete. A client asking from before that gets the list of existing
messages instead.
"""

from array import array
from collections.abc import Iterator, Sequence
from typing import Final

from postroom.store.sqlite.database import UID_MASK, Box, Database
from postroom.store.sqlite.schema import UID_BITS

KEPT: Final = 1000  # UIDs of a mailbox that are kept at least, and twice as many at most

_SPAN: Final = "key BETWEEN ? AND ?"


def remember(database: Database, mailbox: int, keys: Sequence[int], modseq: int) -> None:
    """Log messages that are being removed, within the transaction that removes them."""
    if len(keys) > KEPT:  # older ones would be forgotten at once
        _forget(database, mailbox, modseq)
        return
    database.sql.executemany("INSERT INTO expunged VALUES (?, ?)", [(key, modseq) for key in keys])
    prune(database, mailbox)


def prune(database: Database, mailbox: int) -> None:
    """Forget the oldest entries when there are too many."""
    span = _span(mailbox)
    count: int = database.sql.execute(f"SELECT count(*) FROM expunged WHERE {_SPAN}", span).fetchone()[0]  # noqa: S608
    if count > 2 * KEPT:
        last: int = database.sql.execute(
            f"SELECT modseq FROM expunged WHERE {_SPAN} ORDER BY modseq DESC LIMIT 1 OFFSET {KEPT}",  # noqa: S608
            span,
        ).fetchone()[0]
        _forget(database, mailbox, last)


def _forget(database: Database, mailbox: int, modseq: int) -> None:
    """Forget whole mod-sequences, so that the log is complete above them."""
    database.sql.execute(
        f"DELETE FROM expunged WHERE {_SPAN} AND modseq <= ?",  # noqa: S608
        (*_span(mailbox), modseq),
    )
    database.sql.execute("INSERT OR REPLACE INTO expunged VALUES (?, ?)", (mailbox << UID_BITS, modseq))


def forgotten(database: Database, box: Box, modseq: int) -> bool:
    """Tell whether the log no longer has everything that was expunged after a mod-sequence."""
    row = database.sql.execute("SELECT modseq FROM expunged WHERE key = ?", (box.first_key,)).fetchone()
    return row is not None and modseq < row[0]


def since(database: Database, box: Box, modseq: int) -> Iterator[int]:
    """Yield the UIDs expunged after a mod-sequence, ascending; nothing after it may be forgotten."""
    rows = database.sql.execute(
        "SELECT key FROM expunged INDEXED BY expunged_by_modseq"
        " WHERE modseq > ? AND key BETWEEN ? AND ? ORDER BY key",
        (modseq, box.first_key + 1, box.last_key),
    )
    return (key & UID_MASK for (key,) in rows)


def uids(database: Database, box: Box) -> "array[int]":
    """Return the UIDs of all messages, ascending."""
    found = database.sql.execute(f"SELECT key FROM messages WHERE {_SPAN}", (box.first_key, box.last_key))  # noqa: S608
    return array("I", [key & UID_MASK for (key,) in found])


def _span(mailbox: int) -> tuple[int, int]:
    first = mailbox << UID_BITS
    return first, first | UID_MASK
