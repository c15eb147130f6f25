"""`secrets.db`: the verifiers of all accounts. The auth agent and the operator's command write it.

It uses a plain rollback journal: a read is one page from memory, writes are rare, and a copy is one file.
"""

import os
import sqlite3
import stat
from pathlib import Path

from postroom.contracts.errors import Unavailable

USER_VERSION = 2
BUSY_SECONDS = 1.0

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS verifiers (account TEXT PRIMARY KEY, verifier TEXT NOT NULL,
  changed_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS app_passwords (account TEXT, label TEXT, verifier TEXT NOT NULL,
  created_at INTEGER NOT NULL, used_at INTEGER, PRIMARY KEY (account, label)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS first_passwords (account TEXT PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {USER_VERSION};
"""
_SET = """INSERT INTO verifiers VALUES (?, ?, ?)
ON CONFLICT (account) DO UPDATE SET verifier=excluded.verifier, changed_at=excluded.changed_at"""


class SecretStore:
    """The file. It is created if it is missing, and reopened after it was replaced (by a restored backup).

    Every method raises Unavailable.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._db: sqlite3.Connection | None = None
        self._identity = (0, 0)

    def verifier(self, account: str) -> str | None:
        """Return the account's verifier, or None."""
        row = self._run("SELECT verifier FROM verifiers WHERE account=?", account).fetchone()
        return row[0] if row else None

    def accounts(self) -> frozenset[str]:
        """Return all accounts that have a verifier."""
        return frozenset(row[0] for row in self._run("SELECT account FROM verifiers"))

    def set(self, account: str, verifier: str, now: float) -> None:
        """Set the account's verifier. It is on disk when this returns."""
        self._run(_SET, account, verifier, int(now))

    def set_first(self, account: str, verifier: str, now: float) -> bool:
        """Set the verifier only if the account has none, so that a person's own change is kept."""
        statement = "INSERT INTO verifiers VALUES (?, ?, ?) ON CONFLICT (account) DO NOTHING"
        return self._run(statement, account, verifier, int(now)).rowcount == 1

    def first_ids(self) -> dict[str, str]:
        """Return for each account the id of the first password that it was offered last."""
        return dict(self._run("SELECT account, id FROM first_passwords"))

    def note_first(self, account: str, password_id: str) -> None:
        """Store the id of the first password that the account was offered. It is on disk when this returns."""
        self._run("INSERT OR REPLACE INTO first_passwords VALUES (?, ?)", account, password_id)

    def replace(self, account: str, old: str, new: str) -> None:
        """Store a new verifier of the same password, unless the password was changed meanwhile."""
        self._run("UPDATE verifiers SET verifier=? WHERE account=? AND verifier=?", new, account, old)

    def remove(self, account: str) -> bool:
        """Remove all secrets of the account. Return whether there were any."""
        self._run("DELETE FROM app_passwords WHERE account=?", account)
        self._run("DELETE FROM first_passwords WHERE account=?", account)
        return self._run("DELETE FROM verifiers WHERE account=?", account).rowcount == 1

    def close(self) -> None:
        """Close the file. The next call opens it again."""
        if self._db is not None:
            self._db.close()
        self._db = None

    def _run(self, statement: str, *values: object) -> sqlite3.Cursor:
        try:
            return self._open().execute(statement, values)
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise Unavailable(f"secrets {self._path}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            status = create_private(self._path)
        identity = status.st_dev, status.st_ino
        if self._db is None or identity != self._identity:
            self.close()
            self._db = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA synchronous = FULL")
            if self._db.execute("PRAGMA user_version").fetchone()[0] != USER_VERSION:
                self._db.executescript(_SCHEMA)
            self._identity = identity
        return self._db


def create_private(path: Path) -> os.stat_result:
    """Create an empty file that only the folder's owner may read, even if root creates it. Raises OSError."""
    folder = os.stat(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if os.geteuid() == 0:
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
        os.fchmod(descriptor, stat.S_IRUSR | stat.S_IWUSR)
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)
