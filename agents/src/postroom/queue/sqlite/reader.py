"""The relay's side of one spool: its connection, and one transaction per call.

Room rule: the calls block; one thread at a time per reader.
"""

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress

from postroom.contracts.outbox import NOTHING_WANTED, Claim, Postponement, Wanted
from postroom.queue.sqlite import schema
from postroom.queue.sqlite.checkpoints import TOO_MUCH, checkpoint, log_size
from postroom.queue.sqlite.claiming import Claiming
from postroom.queue.sqlite.content import StoredContent
from postroom.queue.sqlite.owners import Owners
from postroom.queue.sqlite.reserve import Reserve, no_room
from postroom.queue.sqlite.settling import Settlement, Settling


class SpoolReader:
    """One spool file. `owner` names this relay process, uniquely; `owners` knows which others live.

    `reserve` is given up when the disk is full.
    """

    def __init__(
        self, path: str, owner: str, owners: Owners | None = None, reserve: Reserve | None = None
    ) -> None:
        """Open it. Raises sqlite3.Error and OSError: not there, not a spool yet, not readable."""
        self.path = path
        self._owner = owner
        self._reserve = reserve
        self._folder = os.path.dirname(path)
        self._database = schema.connect(path, durable=False)
        self._durable = False
        self._database.create_function("lives", 1, (owners or Owners()).alive)
        self._claiming = Claiming(self._database, path, owner)
        self._settling = Settling(self._database, owner)
        try:
            schema.complete(self._database)
            self._lock = schema.WriteLock(path)
        except (OSError, sqlite3.Error):
            self._database.close()
            raise

    def close(self) -> None:
        """Close the files; leases stay until they end or are released."""
        self._database.close()
        self._lock.close()

    def next_due(self) -> float | None:
        """Return when the next row is due, in seconds since 1970; None for never. Raises sqlite3.Error."""
        value = self._database.execute("SELECT min(due) FROM recipient").fetchone()[0]
        return None if value is None else float(value)

    def turnover(
        self, settlements: Sequence[Settlement], wanted: Wanted, now: float, lease_until: float
    ) -> list[Claim]:
        """Settle outcomes and claim new work, in one transaction. Raises sqlite3.Error, OSError."""
        try:
            return self._turnover(settlements, wanted, now, lease_until)
        except sqlite3.Error as error:
            if not no_room(error):
                raise
        self._make_room()
        try:
            return self._turnover(settlements, wanted, now, lease_until)
        except sqlite3.Error as error:
            if not (no_room(error) and settlements and wanted.recipients):
                raise
        return self._turnover(settlements, NOTHING_WANTED, now, lease_until)

    def _make_room(self) -> None:
        """Give up the reserve and restart the log, so that the next writes reuse the room of the log's file."""
        if self._reserve is not None:
            self._reserve.give_up()
        with suppress(sqlite3.Error), self._lock.taken():
            self._database.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def _turnover(
        self, settlements: Sequence[Settlement], wanted: Wanted, now: float, lease_until: float
    ) -> list[Claim]:
        self._set_durable(any(outcome.durable for _, outcome in settlements))
        files: list[str] = []
        claims: list[Claim] = []
        if settlements or (wanted.recipients > 0 and self._anything_due(now)):
            with schema.transaction(self._database, self._lock):
                files = self._settling.settle(settlements, now)
                if wanted.recipients > 0:
                    claims = self._claiming.claim(wanted, now, lease_until)
        if files:
            self._remove(files)
        return claims

    def _remove(self, files: Iterable[str]) -> None:
        """Remove the bodies of finished messages; one that cannot be removed stays until the writer starts again.

        The deletion of their rows is synchronised first: after a power cut no row may come back without its body.
        """
        with suppress(OSError):
            log = os.open(f"{self.path}-wal", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                os.fsync(log)
            finally:
                os.close(log)
            for name in files:
                with suppress(OSError):
                    os.unlink(f"{self._folder}/{name}")

    def _anything_due(self, now: float) -> bool:
        due = self.next_due()
        return due is not None and due <= now

    def _set_durable(self, durable: bool) -> None:
        if durable != self._durable:
            self._database.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._durable = durable

    def load(self, seq: int) -> StoredContent:
        """Return the content of a claimed message. Raises MessageGone, sqlite3.Error."""
        return self._claiming.load(seq)

    def renew(self, lease_until: float) -> int:
        """Extend all leases of this relay; return their number. Raises sqlite3.Error."""
        self._set_durable(False)
        with schema.transaction(self._database, self._lock):
            return self._database.execute(
                "UPDATE recipient SET due = ? WHERE owner = ?", (lease_until, self._owner)
            ).rowcount

    def release(self, owner: str, now: float) -> int:
        """Give back every lease of an owner that has ended, or of this one at its end; return their number."""
        with schema.transaction(self._database, self._lock):
            return self._database.execute(
                "UPDATE recipient SET due = ?, owner = NULL WHERE owner = ?", (now, owner)
            ).rowcount

    def postpone(self, what: Postponement, now: float, limit: int = 1000) -> int:
        """Put off up to `limit` due rows of a destination that cannot be reached; return their number."""
        self._set_durable(False)
        with schema.transaction(self._database, self._lock):
            return self._settling.postpone(what, now, limit)

    def pull_in(self, latest: float, now: float) -> None:
        """Make rows due that wait longer than any schedule says: the clock was set back."""
        with schema.transaction(self._database, self._lock):
            self._database.execute(
                "UPDATE recipient SET due = ?, owner = NULL WHERE due > ?"
                " AND (owner IS NULL OR owner <> ? AND NOT lives(owner))",
                (now, latest, self._owner),
            )

    def forget(self, now: float) -> None:
        """Drop the oldest ids of messages that left."""
        outdated = self._settling.outdated(now)
        if outdated is not None:
            with schema.transaction(self._database, self._lock):
                self._settling.forget(*outdated)

    def tidy(self) -> None:
        """Move the log into the database when the writing process no longer does."""
        log = f"{self.path}-wal"
        if log_size(log) > TOO_MUCH:
            checkpoint(self._database, self._lock, log)
