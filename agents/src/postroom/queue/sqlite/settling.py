"""Settling: what became of the recipients of a spool is written down, and finished messages go.

Room rule: nothing here begins or ends a transaction; the reader does.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from postroom.contracts.outbox import Outcome, Postponement

REMEMBERED: Final = 100_000  # ids of messages that left this host
REMEMBERED_FOR: Final = 1_209_600.0  # seconds: as long as a mailbox remembers its own

_DONE: Final = "DELETE FROM recipient WHERE message = ? AND number = ? AND owner = ?"
_LATER: Final = (
    "UPDATE recipient SET due = ?, owner = NULL, host = ?, status = ?, reply = ?, attempts = attempts + ?,"
    " tried = CASE WHEN ? THEN ? ELSE tried END, warned = max(warned, ?)"
    " WHERE message = ? AND number = ? AND owner = ?"
)
_FINISHED: Final = (
    "DELETE FROM message WHERE seq = ? AND NOT EXISTS (SELECT 1 FROM recipient WHERE message = seq)"
    " RETURNING body_file"
)
_LEFT: Final = (
    "INSERT OR IGNORE INTO finished (id, time) SELECT id, ? FROM message WHERE seq = ? AND origin = 'inbound'"
)
_POSTPONE: Final = (
    "UPDATE recipient SET owner = NULL, reply = ?, status = ?, host = ?, due = ? + max(?, min(?, ? - arrived))"
    " * (0.75 + (random() & 1023) / 2048.0) WHERE (message, number) IN (SELECT r.message, r.number FROM"
    " recipient r WHERE r.due <= ? AND r.destination = ? AND (r.owner IS NULL OR r.owner <> ? AND NOT lives(r.owner))"
    " AND r.arrived > ? AND (r.warned OR r.arrived > ?) LIMIT ?)"
)
_FINISHED_RANGE: Final = (
    "SELECT min(seq), (SELECT time FROM finished ORDER BY seq LIMIT 1), max(seq) FROM finished"
)

Settlement = tuple[int, Outcome]  # the message's row, and what became of one of its recipients


class Settling:
    """Settles for the relay named `owner`, which changes only rows that are leased to it."""

    def __init__(self, database: sqlite3.Connection, owner: str) -> None:
        self._database = database
        self._owner = owner

    def settle(self, settlements: Sequence[Settlement], now: float) -> list[str]:
        """Write outcomes down; return the body files of messages that are finished. Raises sqlite3.Error."""
        owner = self._owner
        files: list[str] = []
        done = [(seq, outcome.number, owner) for seq, outcome in settlements if outcome.due is None]
        # "Done" comes first: a recipient that has the message must not get it again, whatever else was noted meanwhile.
        if done:
            left = {seq for seq, outcome in settlements if outcome.left and outcome.due is None}
            if left:
                self._database.executemany(_LEFT, [(now, seq) for seq in left])
            self._database.executemany(_DONE, done)
            files = self._remove_finished({seq for seq, _, _ in done})
        later = [
            (o.due, o.host, o.status, o.reply, o.attempted, o.attempted, now, o.warned, seq, o.number, owner)
            for seq, o in settlements
            if o.due is not None
        ]
        if later:
            self._database.executemany(_LATER, later)
        return files

    def _remove_finished(self, messages: Iterable[int]) -> list[str]:
        files = []
        for seq in messages:
            row = self._database.execute(_FINISHED, (seq,)).fetchone()
            if row is not None and row[0]:
                files.append(row[0])
        return files

    def postpone(self, what: Postponement, now: float, limit: int) -> int:
        """Put off up to `limit` rows that nobody has leased; return their number. Raises sqlite3.Error."""
        return self._database.execute(
            _POSTPONE,
            (what.reply, what.status, what.host, now, what.minimum, what.maximum, now, now,
             what.destination, self._owner, what.expired_before, what.warn_before, limit),
        ).rowcount  # fmt: skip

    def outdated(self, now: float) -> tuple[int, float] | None:
        """Return which remembered ids to forget: up to which row, and before what time; None when there are none."""
        first, oldest, last = self._database.execute(_FINISHED_RANGE).fetchone()
        if last is None or (last - first < REMEMBERED and oldest >= now - REMEMBERED_FOR):
            return None
        return last - REMEMBERED, now - REMEMBERED_FOR

    def forget(self, up_to: int, before: float) -> None:
        """Drop the oldest ids of messages that left. Raises sqlite3.Error."""
        self._database.execute("DELETE FROM finished WHERE seq <= ? OR time < ?", (up_to, before))
