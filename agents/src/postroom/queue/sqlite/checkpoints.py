"""Moving a spool's write-ahead log into its file, beside the commits and not in their way."""

import os
import sqlite3
import threading
from contextlib import suppress
from typing import Final

from postroom.queue.sqlite import schema

PLENTY: Final = 8 << 20  # octets of log after which a checkpoint is made
TOO_MUCH: Final = 32 << 20  # octets after which the log is begun anew, for which writers wait a moment
_FREE_PAGES: Final = 8192  # unused pages that stay in the file, to be used again
_PAGES_AT_ONCE: Final = 512


class Checkpointer:
    """One thread, started by need, with its own connection."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._turn = schema.Turn(path)  # of its own: a file lock does not part the threads that share it
        self._log = f"{path}-wal"
        self._due = threading.Event()
        self._stop = False
        self._thread: threading.Thread | None = None

    def consider(self) -> None:
        """Make a checkpoint if the log has grown; returns at once."""
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
        self._turn.close()

    def _run(self) -> None:
        database: sqlite3.Connection | None = None
        while self._due.wait() and not self._stop:
            with suppress(sqlite3.Error, OSError):  # the log keeps everything; the next one will do it
                database = database or schema.connect(self._path, durable=True)
                checkpoint(database, self._turn, self._log)
            if not self._stop:
                self._due.clear()
        if database is not None:
            database.close()


def log_size(path: str) -> int:
    """Octets of a log file, 0 when there is none."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def checkpoint(database: sqlite3.Connection, turn: schema.Turn, log: str) -> None:
    """Copy the log into the file. Raises sqlite3.Error."""
    database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    if log_size(log) >= TOO_MUCH:
        # Nearly all is copied now, so this holds the others up only for what came in meanwhile.
        with turn.taken():
            database.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    if database.execute("PRAGMA freelist_count").fetchone()[0] > _FREE_PAGES:
        with schema.transaction(database, turn):
            database.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
