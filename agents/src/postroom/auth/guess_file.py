"""Guess counts on disk, so that a restart does not reset them.

They are written in batches and without fsync: a power cut may lose the last seconds of counts, nothing else.
"""

import json
import sqlite3
from pathlib import Path

from postroom.auth.guesses import KnownNetwork, TallyRow
from postroom.auth.secrets import create_private
from postroom.contracts.errors import Unavailable

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tallies (key TEXT PRIMARY KEY, times TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS known (account TEXT, network TEXT, seen REAL NOT NULL,
  PRIMARY KEY (account, network)) WITHOUT ROWID;
"""


class GuessFile:
    """`guesses.db`.

    A broken file is replaced by an empty one, because logins matter more than counts. Raises Unavailable.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def load(self) -> tuple[list[TallyRow], list[KnownNetwork]]:
        """Return all counts that were saved."""
        try:
            return self._load()
        except sqlite3.DatabaseError:
            self._path.unlink(missing_ok=True)
            return [], []
        except OSError as error:
            raise Unavailable(f"guesses {self._path}: {error.strerror}") from error

    def save(self, tallies: list[TallyRow], known: list[KnownNetwork]) -> None:
        """Write the changed counts. Call this in a thread, since it waits for the disk."""
        try:
            db = self._connect()
            try:
                db.execute("BEGIN IMMEDIATE")
                for key, times in tallies:
                    _put(db, "tallies", (key,), json.dumps(times) if times else None)
                for account, network, seen in known:
                    _put(db, "known", (account, network), seen or None)
                db.execute("COMMIT")
            finally:
                db.close()
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"guesses {self._path}: {error}") from error

    def _load(self) -> tuple[list[TallyRow], list[KnownNetwork]]:
        db = self._connect()
        try:
            tallies = [
                TallyRow(key, tuple(json.loads(times))) for key, times in db.execute("SELECT * FROM tallies")
            ]
            return tallies, [KnownNetwork(*row) for row in db.execute("SELECT * FROM known ORDER BY seen")]
        finally:
            db.close()

    def _connect(self) -> sqlite3.Connection:
        if not self._path.exists():
            create_private(self._path)
        db = sqlite3.connect(self._path, isolation_level=None)
        db.execute("PRAGMA synchronous = OFF")
        db.executescript(_SCHEMA)
        return db


_STATEMENTS = {
    "tallies": ("INSERT OR REPLACE INTO tallies VALUES (?, ?)", "DELETE FROM tallies WHERE key=?"),
    "known": (
        "INSERT OR REPLACE INTO known VALUES (?, ?, ?)",
        "DELETE FROM known WHERE account=? AND network=?",
    ),
}


def _put(db: sqlite3.Connection, table: str, key: tuple[str, ...], value: object) -> None:
    keep, forget = _STATEMENTS[table]
    db.execute(keep, (*key, value)) if value is not None else db.execute(forget, key)
