"""The relay's side of one spool: claim what is due, keep the leases, settle what became of it.

Room rule: blocking calls, one thread at a time per reader. A claim moves `due` to the end of its lease, so
that a relay that dies gives everything back by doing nothing.
"""

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from postroom.contracts.queue import Hop, Origin
from postroom.queue.sqlite import schema
from postroom.queue.sqlite.checkpoints import TOO_MUCH, checkpoint, log_size
from postroom.queue.sqlite.owners import Owners
from postroom.queue.sqlite.reserve import Reserve, no_room
from postroom.queue.sqlite.rows import Claim, Facts, Outcome, Row, StoredContent

AT_ONCE: Final = 16_384  # octets up to which a body comes with its claim
AT_ONCE_HERE: Final = 65_536  # the same for mailboxes of this host, of which few are held and not for long
RETRY_NOW: Final = 0.0  # a `due` that says: an operator asked for it
REMEMBERED: Final = 100_000  # ids of messages that left this host
REMEMBERED_FOR: Final = 1_209_600.0  # seconds: as long as a mailbox remembers its own
MOST_RECIPIENTS: Final = 100  # per transaction: what every server must take (RFC 5321 section 4.5.3.1.8)

_ROWS: Final = (
    "SELECT message, number, hop, destination, sender, address, account, original, orcpt, notify, attempts,"
    " warned, reply, status, host, due FROM recipient WHERE due <= ?"
    " AND (owner IS NULL OR owner <> ? AND NOT lives(owner))"
)
_DUE: Final = _ROWS + " {others} ORDER BY due LIMIT ?"
_REST: Final = _ROWS + " AND message = ? AND destination = ?"
_MESSAGE: Final = (
    "SELECT seq, id, arrived, sender, origin, size, message_id, signing_domain, vouched, authentication, arc,"
    " body_type, smtputf8, envid, ret, client, account, body_file, body_start, length(body), head,"
    " CASE WHEN length(body) <= ? THEN body END FROM message WHERE seq = ?"
)
_LEASE: Final = "UPDATE recipient SET due = ?, owner = ? WHERE message = ? AND number = ?"
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


class Wanted(NamedTuple):
    """What the relay has room for. `full`: destinations that have as many claims as they may."""

    rows: int
    full: Collection[str] = ()
    held: int = 0  # rows under way


class Postponement(NamedTuple):
    """Everything due for a destination that cannot be reached waits; what would expire or warn stays due."""

    destination: str
    minimum: float
    maximum: float
    host: str
    status: str
    reply: str
    expired_before: float
    warn_before: float


class SpoolReader:
    """One spool file. `owner` names this relay process, uniquely; `owners` knows which others live.

    `reserve`: what is given up when the disk is full.
    """

    def __init__(
        self, path: str, owner: str, owners: Owners | None = None, reserve: Reserve | None = None
    ) -> None:
        """Raises sqlite3.Error and OSError: not there, not a spool yet, not readable."""
        self.path = path
        self._owner = owner
        self._reserve = reserve
        self._folder = os.path.dirname(path)
        self._database = schema.connect(path, durable=False)
        self._durable = False
        self._database.create_function("lives", 1, (owners or Owners()).alive)
        try:
            schema.complete(self._database)
            self._turn = schema.Turn(path)
        except (OSError, sqlite3.Error):
            self._database.close()
            raise

    def close(self) -> None:
        """Give files back; leases stay until they end or are released."""
        self._database.close()
        self._turn.close()

    def next_due(self) -> float | None:
        """When the next row wants attention: seconds since 1970, None for never."""
        value = self._database.execute("SELECT min(due) FROM recipient").fetchone()[0]
        return None if value is None else float(value)

    def turnover(
        self, outcomes: Sequence[Outcome], wanted: Wanted, now: float, lease_until: float
    ) -> list[Claim]:
        """Settle outcomes and claim new work, in one transaction. Raises sqlite3.Error, OSError."""
        try:
            return self._turnover(outcomes, wanted, now, lease_until)
        except sqlite3.Error as error:
            if not no_room(error):
                raise
        self._make_room()
        try:
            return self._turnover(outcomes, wanted, now, lease_until)
        except sqlite3.Error as error:
            if not (no_room(error) and outcomes and wanted.rows):
                raise
        return self._turnover(outcomes, Wanted(0), now, lease_until)

    def _make_room(self) -> None:
        """Begin the log anew, so that what is written next takes the place of what is in the file already."""
        if self._reserve is not None:
            self._reserve.give_up()
        with suppress(sqlite3.Error), self._turn.taken():
            self._database.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def _turnover(
        self, outcomes: Sequence[Outcome], wanted: Wanted, now: float, lease_until: float
    ) -> list[Claim]:
        self._set_durable(any(outcome.durable for outcome in outcomes))
        files: list[str] = []
        claims: list[Claim] = []
        if outcomes or (wanted.rows > 0 and self._anything_due(now)):
            with schema.transaction(self._database, self._turn):
                files = self._settle(outcomes, now)
                if wanted.rows > 0:
                    claims = self._claim(wanted, now, lease_until)
        if files:
            self._remove(files)
        return claims

    def _remove(self, files: Iterable[str]) -> None:
        """Bodies of messages that are done with; what cannot be removed stays until the writer begins anew.

        First their rows are gone on disk: after a power cut none may come back without its body.
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

    def _settle(self, outcomes: Sequence[Outcome], now: float) -> list[str]:
        done = [(o.seq, o.number, self._owner) for o in outcomes if o.due is None]
        later = [
            (
                o.due,
                o.host,
                o.status,
                o.reply,
                o.attempted,
                o.attempted,
                now,
                o.warned,
                o.seq,
                o.number,
                self._owner,
            )
            for o in outcomes
            if o.due is not None
        ]
        if later:
            self._database.executemany(_LATER, later)
        if not done:
            return []
        left = {o.seq for o in outcomes if o.left and o.due is None}
        if left:
            self._database.executemany(_LEFT, [(now, seq) for seq in left])
        self._database.executemany(_DONE, done)
        return self._remove_finished({seq for seq, _, _ in done})

    def _remove_finished(self, messages: Iterable[int]) -> list[str]:
        files = []
        for seq in messages:
            row = self._database.execute(_FINISHED, (seq,)).fetchone()
            if row is not None and row[0]:
                files.append(row[0])
        return files

    def _claim(self, wanted: Wanted, now: float, lease_until: float) -> list[Claim]:
        marks = ",".join("?" * len(wanted.full))
        query = _DUE.format(others=f"AND destination NOT IN ({marks})" if marks else "")
        rows = self._database.execute(query, (now, self._owner, *wanted.full, wanted.rows)).fetchall()
        if len(rows) >= wanted.rows:
            rows += self._left_behind(rows, now)
        rows.sort(key=_unit)
        self._database.executemany(_LEASE, [(lease_until, self._owner, row[0], row[1]) for row in rows])
        claims: list[Claim] = []
        for seq, group in groupby(rows, key=itemgetter(0)):
            together = list(group)
            here = all(row[2] == Hop.MAILBOX.value for row in together)
            found = self._database.execute(_MESSAGE, (AT_ONCE_HERE if here else AT_ONCE, seq)).fetchone()
            claims += _claims(self.path, _facts(found), self._content(found), together, now)
        return claims

    def _left_behind(self, rows: list[Any], now: float) -> list[Any]:
        """What the limit has cut off from the last rows: who travels together does so again at the next try.

        Only so can a server see that it has the message already (RFC 5321 section 6.1).
        """
        message, destination = rows[-1][0], rows[-1][3]
        claimed = {row[1] for row in rows if row[0] == message}
        whole = self._database.execute(_REST, (now, self._owner, message, destination))
        return [row for row in whole if row[1] not in claimed]

    def _content(self, found: Sequence[Any]) -> StoredContent | None:
        size, (name, start, length, head, body) = found[5], found[17:22]
        if name:
            return StoredContent(head, size, b"", f"{self._folder}/{name}", start)
        return StoredContent(head, size, body or b"") if body is not None or not length else None

    def load(self, seq: int) -> StoredContent:
        """The content of a claimed message. Raises LookupError when it is gone, sqlite3.Error."""
        found = self._database.execute(_MESSAGE, (1 << 62, seq)).fetchone()
        if found is None:
            raise LookupError("message is gone")
        content = self._content(found)
        assert content is not None
        return content

    def renew(self, lease_until: float) -> None:
        """Keep all leases of this relay."""
        self._set_durable(False)
        with schema.transaction(self._database, self._turn):
            self._database.execute("UPDATE recipient SET due = ? WHERE owner = ?", (lease_until, self._owner))

    def release(self, owner: str, now: float) -> int:
        """Give back every lease of an owner that has ended (or of this one, at its end); their number."""
        with schema.transaction(self._database, self._turn):
            return self._database.execute(
                "UPDATE recipient SET due = ?, owner = NULL WHERE owner = ?", (now, owner)
            ).rowcount

    def postpone(self, what: Postponement, now: float, limit: int = 1000) -> int:
        """Put off up to `limit` due rows of a destination that cannot be reached; their number."""
        self._set_durable(False)
        with schema.transaction(self._database, self._turn):
            return self._database.execute(
                _POSTPONE,
                (what.reply, what.status, what.host, now, what.minimum, what.maximum, now, now,
                 what.destination, self._owner, what.expired_before, what.warn_before, limit),
            ).rowcount  # fmt: skip

    def pull_in(self, latest: float, now: float) -> None:
        """Make due what waits longer than any schedule says: the clock was set back."""
        with schema.transaction(self._database, self._turn):
            self._database.execute(
                "UPDATE recipient SET due = ?, owner = NULL WHERE due > ?"
                " AND (owner IS NULL OR owner <> ? AND NOT lives(owner))",
                (now, latest, self._owner),
            )

    def forget(self, now: float) -> None:
        """Drop the oldest ids of messages that left."""
        first, oldest, last = self._database.execute(
            "SELECT min(seq), (SELECT time FROM finished ORDER BY seq LIMIT 1), max(seq) FROM finished"
        ).fetchone()
        if last is not None and (last - first >= REMEMBERED or oldest < now - REMEMBERED_FOR):
            with schema.transaction(self._database, self._turn):
                self._database.execute(
                    "DELETE FROM finished WHERE seq <= ? OR time < ?",
                    (last - REMEMBERED, now - REMEMBERED_FOR),
                )

    def tidy(self) -> None:
        """Move the log into the file when the writing process does not do so any more."""
        log = f"{self.path}-wal"
        if log_size(log) > TOO_MUCH:
            checkpoint(self._database, self._turn, log)


def _facts(found: Sequence[Any]) -> Facts:
    return Facts(
        found[0], found[1], found[2], found[3], Origin(found[4]), found[5], found[6], found[7], bool(found[8]),
        found[9], found[10], found[11], bool(found[12]), found[13], found[14], found[15], found[16],
    )  # fmt: skip


def _unit(row: Sequence[Any]) -> tuple[Any, ...]:
    """Order by which recipients of one transaction stand together."""
    return (row[0], row[2], row[3], row[4] is not None, row[4] or "", row[1])


def _claims(
    path: str, facts: Facts, content: StoredContent | None, rows: list[Any], now: float
) -> Iterator[Claim]:
    for (hop, destination, sender), group in groupby(rows, key=itemgetter(2, 3, 4)):
        together = list(group)
        final = facts.sender if sender is None else sender
        for start in range(0, len(together), MOST_RECIPIENTS):
            part = together[start : start + MOST_RECIPIENTS]
            forced = any(row[15] == RETRY_NOW for row in part)
            recipients = tuple(map(_row, part))
            yield Claim(path, facts, Hop(hop), destination, final, recipients, content, now, forced)


def _row(row: Sequence[Any]) -> Row:
    return Row(
        row[1], row[5], row[6], row[7], row[8], row[9], row[10], bool(row[11]), row[12], row[13], row[14]
    )
