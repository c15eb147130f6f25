"""The tables of `account.db` and how it is opened.

SQLite in WAL mode with `synchronous=FULL`: a commit is on disk when it returns. Several processes open one file;
writers take their turn by BEGIN IMMEDIATE, readers never wait.

`messages.key` is mailbox * 2**32 + UID: one b-tree gives a mailbox in the order of its UIDs. What never changes
about a message, and is large, is in `contents`, so that reading flags of a large mailbox stays cheap; copies
within an account share it. A delivery changes four pages: every page counts, each is written and synced. So new
messages are in no index: UIDs and mod-sequences of what was added rise together. Sums over `mailboxes` are the
account's use and modseq.
"""

import os
import sqlite3
from contextlib import closing, suppress
from typing import Final

from postroom.store.blobs import files

VERSION: Final = 1
APPLICATION_ID: Final = 0x506F7374  # "Post"
UID_BITS: Final = 32

_TABLES: Final = """
CREATE TABLE account (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    last_uidvalidity INTEGER NOT NULL,  -- no mailbox ever had a greater one
    modseq INTEGER NOT NULL             -- greatest of mailboxes that are gone
);
CREATE TABLE mailboxes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    uidvalidity INTEGER NOT NULL UNIQUE,
    uidnext INTEGER NOT NULL DEFAULT 1,
    recent_from INTEGER NOT NULL DEFAULT 1,  -- UIDs from here on are \\Recent, RFC 3501 section 2.3.2
    modseq INTEGER NOT NULL DEFAULT 1,       -- HIGHESTMODSEQ, RFC 7162
    messages INTEGER NOT NULL DEFAULT 0,
    unseen INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL DEFAULT 0,
    special_use TEXT NOT NULL DEFAULT '',
    selectable INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE subscriptions (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE keywords (mailbox INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (mailbox, name)) WITHOUT ROWID;
CREATE TABLE messages (
    key INTEGER PRIMARY KEY,
    flags INTEGER NOT NULL,
    keywords TEXT NOT NULL DEFAULT '',  -- joined by spaces
    modseq INTEGER NOT NULL,
    internal_date INTEGER NOT NULL,
    size INTEGER NOT NULL,              -- as served: prefix and content
    content INTEGER NOT NULL,
    changed INTEGER NOT NULL DEFAULT 0  -- flags differ from what they were when the message came
);
CREATE INDEX messages_by_modseq ON messages (modseq) WHERE changed;
CREATE TABLE contents (
    id INTEGER PRIMARY KEY,
    file TEXT NOT NULL,
    size INTEGER NOT NULL,              -- of the file
    digest BLOB NOT NULL,               -- BLAKE2b, 16 octets
    refs INTEGER NOT NULL,              -- messages that have it
    prefix BLOB NOT NULL,               -- served in front of the file
    detail BLOB NOT NULL                -- MessagePack: envelope and structure, offsets as served
);
CREATE TABLE expunged (key INTEGER PRIMARY KEY, modseq INTEGER NOT NULL);
CREATE INDEX expunged_by_modseq ON expunged (modseq);
CREATE TABLE deliveries (
    queue_id TEXT NOT NULL,
    recipient TEXT NOT NULL,
    time INTEGER NOT NULL,
    PRIMARY KEY (queue_id, recipient)
) WITHOUT ROWID;
"""

FIRST_MAILBOXES: Final = (
    ("INBOX", ""),
    ("Drafts", "\\Drafts"),
    ("Sent", "\\Sent"),
    ("Junk", "\\Junk"),
    ("Trash", "\\Trash"),
    ("Archive", "\\Archive"),
)  # RFC 6154


class WrongSchema(sqlite3.DatabaseError):
    """The file was written by another program or a later release; version 0 is a file without tables."""

    def __init__(self, version: int) -> None:
        super().__init__(f"schema {version} of {files.DATABASE} is not {VERSION}")
        self.version = version


def connect(path: str, busy_seconds: float) -> sqlite3.Connection:
    """Open the database of an existing account. Raises sqlite3.Error."""
    database = sqlite3.connect(
        os.path.join(path, files.DATABASE),
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA cache_size=-512")
        database.execute("PRAGMA wal_autocheckpoint=400")  # pages: keeps the log of each account below 2 MiB
        version: int = database.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:
            raise WrongSchema(version)
    except BaseException:
        database.close()
        raise
    return database


def prepare(path: str, now: int, busy_seconds: float) -> None:
    """Make the database of a new account; a finished one is left alone. Raises Unavailable, OSError, sqlite3.Error.

    It is made under another name and then renamed, because no process may see half of it: while a file changes to
    WAL mode, SQLite does not make other readers wait, but reports at once that the database is locked.
    """
    with files.alone(path, busy_seconds):
        if _version(path, busy_seconds):
            return
        folder = os.open(path, files.FOLDER)
        try:
            for ending in ("", "-journal", "-wal", "-shm"):  # left by a process that was killed
                with suppress(FileNotFoundError):
                    os.unlink(files.UNFINISHED + ending, dir_fd=folder)
            files.make_file(files.UNFINISHED, folder)
            _fill(os.path.join(path, files.UNFINISHED), now)
            for ending in (
                "-wal",
                "-shm",
            ):  # of a database that is gone; SQLite would take them for the new one's
                with suppress(FileNotFoundError):
                    name = files.DATABASE + ending
                    os.rename(name, f"{name}.damaged-{now}", src_dir_fd=folder, dst_dir_fd=folder)
            os.rename(files.UNFINISHED, files.DATABASE, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            os.close(folder)
        files.sync_folder(path)


def _version(path: str, busy_seconds: float) -> int:
    """Return the schema version of an account's database, 0 when there is none."""
    database_path = os.path.join(path, files.DATABASE)
    if not os.path.lexists(database_path):
        return 0
    with closing(sqlite3.connect(database_path, timeout=busy_seconds, isolation_level=None)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


def _fill(database_path: str, now: int) -> None:
    """Make tables and first mailboxes. WAL comes last, so that everything is in the one file that is moved."""
    with closing(sqlite3.connect(database_path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous=FULL")
        database.execute("BEGIN IMMEDIATE")
        for statement in _TABLES.split(";\n"):
            database.execute(statement)
        _first_rows(database, now)
        database.execute(f"PRAGMA application_id={APPLICATION_ID}")
        database.execute(f"PRAGMA user_version={VERSION}")
        database.execute("COMMIT")
        database.execute("PRAGMA journal_mode=WAL")


def _first_rows(database: sqlite3.Connection, now: int) -> None:
    for index, (name, use) in enumerate(FIRST_MAILBOXES):
        database.execute(
            "INSERT INTO mailboxes (name, uidvalidity, special_use) VALUES (?, ?, ?)",
            (name, now + index, use),
        )
        database.execute("INSERT INTO subscriptions VALUES (?)", (name,))
    database.execute("INSERT INTO account VALUES (1, ?, 1)", (now + len(FIRST_MAILBOXES) - 1,))
