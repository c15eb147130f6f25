"""Which messages are gone, for those who were away. RFC 7162 section 3.2.6.

Room rule: the log of a mailbox is bounded. What it has forgotten stands in it as one row under UID 0, which no message
has: the mod-sequence up to which UIDs are no longer known. Who asks about a time before it hears which messages exist.
"""

from array import array
from collections.abc import Iterator, Sequence
from typing import Final

from postroom.store.sqlite.database import UID_MASK, Box, Database
from postroom.store.sqlite.schema import UID_BITS

KEPT: Final = 1000  # UIDs of a mailbox that are kept at least, and twice as many at most

_SPAN: Final = "key BETWEEN ? AND ?"


def remember(database: Database, mailbox: int, keys: Sequence[int], modseq: int) -> None:
    """These messages go now; called within the transaction that removes them."""
    if len(keys) > KEPT:  # older ones would go at once
        _forget(database, mailbox, modseq)
        return
    database.sql.executemany("INSERT INTO expunged VALUES (?, ?)", [(key, modseq) for key in keys])
    prune(database, mailbox)


def prune(database: Database, mailbox: int) -> None:
    """Forget the oldest when there are too many."""
    span = _span(mailbox)
    count: int = database.sql.execute(f"SELECT count(*) FROM expunged WHERE {_SPAN}", span).fetchone()[0]  # noqa: S608
    if count > 2 * KEPT:
        last: int = database.sql.execute(
            f"SELECT modseq FROM expunged WHERE {_SPAN} ORDER BY modseq DESC LIMIT 1 OFFSET {KEPT}",  # noqa: S608
            span,
        ).fetchone()[0]
        _forget(database, mailbox, last)


def _forget(database: Database, mailbox: int, modseq: int) -> None:
    """Whole mod-sequences, so that all above is complete."""
    database.sql.execute(
        f"DELETE FROM expunged WHERE {_SPAN} AND modseq <= ?",  # noqa: S608
        (*_span(mailbox), modseq),
    )
    database.sql.execute("INSERT OR REPLACE INTO expunged VALUES (?, ?)", (mailbox << UID_BITS, modseq))


def forgotten(database: Database, box: Box, modseq: int) -> bool:
    """Whether something of what went after a mod-sequence is no longer in the log."""
    row = database.sql.execute("SELECT modseq FROM expunged WHERE key = ?", (box.first_key,)).fetchone()
    return row is not None and modseq < row[0]


def since(database: Database, box: Box, modseq: int) -> Iterator[int]:
    """The UIDs that went after a mod-sequence of which nothing is forgotten, ascending."""
    rows = database.sql.execute(
        "SELECT key FROM expunged INDEXED BY expunged_by_modseq"
        " WHERE modseq > ? AND key BETWEEN ? AND ? ORDER BY key",
        (modseq, box.first_key + 1, box.last_key),
    )
    return (key & UID_MASK for (key,) in rows)


def uids(database: Database, box: Box) -> "array[int]":
    """The UIDs of all messages, ascending."""
    found = database.sql.execute(f"SELECT key FROM messages WHERE {_SPAN}", (box.first_key, box.last_key))  # noqa: S608
    return array("I", [key & UID_MASK for (key,) in found])


def _span(mailbox: int) -> tuple[int, int]:
    first = mailbox << UID_BITS
    return first, first | UID_MASK
