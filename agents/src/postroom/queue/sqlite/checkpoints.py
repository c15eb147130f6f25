"""Checkpoints: move a spool's write-ahead log into its database, beside the commits and not in their way."""

import os
import sqlite3
import threading
from contextlib import suppress
from typing import Final

from postroom.queue.sqlite import schema

PLENTY: Final = 8 << 20  # octets of log after which a checkpoint is made
TOO_MUCH: Final = 32 << 20  # octets after which the log is restarted, for which writers wait a moment
_FREE_PAGES: Final = 8192  # unused pages that stay in the file, to be used again
_PAGES_AT_ONCE: Final = 512


class Checkpointer:
    """Makes checkpoints in one thread, started when first needed, with its own connection."""

    def __init__(self, path: str) -> None:
        self._path = path
        # A lock of its own: threads that share a file lock do not exclude each other.
        self._lock = schema.WriteLock(path)
        self._log = f"{path}-wal"
        self._due = threading.Event()
        self._stop = False
        self._thread: threading.Thread | None = None

    def consider(self) -> None:
        """Start a checkpoint if the log has grown; return at once."""
        if self._due.is_set() or log_size(self._log) < PLENTY:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="spool-checkpoint", daemon=True)
            self._thread.start()
        self._due.set()

    def close(self) -> None:
        """Finish a running checkpoint and end the thread."""
        self._stop = True
        self._due.set()
        if self._thread is not None:
            self._thread.join()
        self._lock.close()

    def _run(self) -> None:
        database: sqlite3.Connection | None = None
        while self._due.wait() and not self._stop:
            # Nothing is lost after an error: the log keeps everything until the next checkpoint.
            with suppress(sqlite3.Error, OSError):
                database = database or schema.connect(self._path, durable=True)
                checkpoint(database, self._lock, self._log)
            if not self._stop:
                self._due.clear()
        if database is not None:
            database.close()


def log_size(path: str) -> int:
    """Return the octets of a log file, 0 when there is none."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def checkpoint(database: sqlite3.Connection, lock: schema.WriteLock, log: str) -> None:
    """Copy the log into the database. Raises sqlite3.Error."""
    database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    if log_size(log) >= TOO_MUCH:
        # Nearly everything is copied already, so writers wait only while the rest is.
        with lock.taken():
            database.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    if database.execute("PRAGMA freelist_count").fetchone()[0] > _FREE_PAGES:
        with schema.transaction(database, lock):
            database.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
