"""One spool as an SQLite file: its tables, its settings, and its writer's lock.

A message is written once and never changed; its recipients carry all state. `due` is the time at which a row needs
attention: claiming a row sets it to the end of the lease, holding a row sets it to NULL.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Final

from postroom.runtime.files import sync_directory

APPLICATION_ID: Final = 0x506F7371  # marks the SQLite file as a spool
VERSION: Final = 1
FILE_MODE: Final = 0o660  # shared with the relay through the spool's group
DIRECTORY_MODE: Final = 0o2770
BUSY_SECONDS: Final = 20.0

_TABLES: Final = """
CREATE TABLE message (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  arrived REAL NOT NULL,
  sender TEXT NOT NULL,
  origin TEXT NOT NULL,
  size INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  signing_domain TEXT NOT NULL,
  vouched INTEGER NOT NULL,
  authentication TEXT NOT NULL,
  arc TEXT NOT NULL,
  body_type TEXT NOT NULL,
  smtputf8 INTEGER NOT NULL,
  envid TEXT NOT NULL,
  ret TEXT NOT NULL,
  client TEXT NOT NULL,
  account TEXT NOT NULL,
  body_file TEXT NOT NULL,
  body_start INTEGER NOT NULL,
  head BLOB NOT NULL,
  body BLOB
);
CREATE TABLE recipient (
  message INTEGER NOT NULL,
  number INTEGER NOT NULL,
  address TEXT NOT NULL,
  hop TEXT NOT NULL,
  destination TEXT NOT NULL,
  account TEXT NOT NULL,
  original TEXT NOT NULL,
  sender TEXT,
  orcpt TEXT NOT NULL,
  notify TEXT NOT NULL,
  arrived REAL NOT NULL,
  due REAL,
  owner TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  tried REAL NOT NULL DEFAULT 0,
  warned INTEGER NOT NULL DEFAULT 0,
  host TEXT NOT NULL DEFAULT '',
  status TEXT NOT NULL DEFAULT '',
  reply TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (message, number)
) WITHOUT ROWID;
CREATE INDEX recipient_due ON recipient (due, destination, owner);
"""
# The ids of messages that left this host: one that is sent again gets its 250 and is not sent on again.
_ADDED: Final = """
CREATE TABLE IF NOT EXISTS finished (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  time REAL NOT NULL
);
"""


class NotYet(sqlite3.DatabaseError):
    """The file is still being made."""


def create(path: str) -> None:
    """Make the spool file at `path` unless it exists. Raises OSError, sqlite3.Error.

    It is made under another name and renamed when complete: SQLite cannot switch a file to WAL mode while a relay
    reads it, and reports it as locked at once instead of waiting.
    """
    if _is_made(path):
        return
    unfinished = f"{path}.new"
    for ending in ("", "-journal", "-wal", "-shm"):  # left by a process that was killed here
        with suppress(FileNotFoundError):
            os.unlink(unfinished + ending)
    os.close(
        os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    )
    os.chmod(unfinished, FILE_MODE)
    with closing(sqlite3.connect(unfinished, isolation_level=None)) as database:
        database.execute("PRAGMA auto_vacuum=INCREMENTAL")
        database.executescript(
            f"BEGIN IMMEDIATE; {_TABLES} {_ADDED} PRAGMA application_id={APPLICATION_ID};"
            f" PRAGMA user_version={VERSION}; COMMIT"
        )
        database.execute("PRAGMA journal_mode=WAL")
    os.rename(unfinished, path)
    sync_directory(os.path.dirname(path))


def _is_made(path: str) -> bool:
    """Return whether there is a file with a schema; `connect` checks which one."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        with suppress(PermissionError):  # another user of the group made it, with the right mode
            os.fchmod(descriptor, FILE_MODE)
    finally:
        os.close(descriptor)
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as database:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version == VERSION:
            complete(database)
        return bool(version)


def complete(database: sqlite3.Connection) -> None:
    """Add the tables that spools of the first release lack. Raises sqlite3.Error."""
    if database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'finished'").fetchone() is None:
        database.executescript(_ADDED)


def connect(path: str, *, durable: bool) -> sqlite3.Connection:
    """Return a connection to an existing spool, usable by one thread at a time.

    `durable`: a commit is on disk when it returns; otherwise it outlives the process but perhaps not a
    power cut (it is on disk as soon as a later durable commit is). Raises sqlite3.Error, also when the file
    is no spool (yet).
    """
    database = sqlite3.connect(
        f"file:{_quoted(path)}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=64,
    )
    try:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:
            raise NotYet("empty") if version == 0 else sqlite3.DatabaseError("not a spool of this release")
        database.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        # The Checkpointer's thread makes checkpoints, never a session that waits for its 250.
        database.execute("PRAGMA wal_autocheckpoint=0")
        database.execute("PRAGMA journal_size_limit=16777216")
    except BaseException:
        database.close()
        raise
    return database


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


class WriteLock:
    """The right to write to a spool, as a file lock that wakes the next waiter at once.

    SQLite polls its own lock with growing pauses, so that a relay beside a busy intake would starve.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(
            f"{path.removesuffix('.db')}.turn",
            os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW,
            FILE_MODE,
        )
        with suppress(PermissionError):
            os.fchmod(self._descriptor, FILE_MODE)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for the lock and hold it in the block."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


@contextmanager
def transaction(database: sqlite3.Connection, lock: WriteLock) -> Iterator[sqlite3.Connection]:
    """Run a block as one write transaction: commit at its end, roll back when it raises."""
    with lock.taken():
        database.execute("BEGIN IMMEDIATE")
        try:
            yield database
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                with suppress(sqlite3.Error):
                    database.execute("ROLLBACK")
            raise
