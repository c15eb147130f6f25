"""How much each account has sent: counts per hour in SQLite, so that they survive a restart."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final, TypeVar

from postroom.contracts.errors import Unavailable
from postroom.policy.limits import Allowance, Use, hour_of, oldest_counted, within

FILE_MODE: Final = 0o600
BUSY_MS: Final = 5000

_SCHEMA: Final = """CREATE TABLE IF NOT EXISTS use (
account TEXT NOT NULL, hour INTEGER NOT NULL, messages INTEGER NOT NULL, recipients INTEGER NOT NULL,
PRIMARY KEY (account, hour)) WITHOUT ROWID, STRICT"""
_SUM: Final = (
    "SELECT COALESCE(SUM(messages), 0), COALESCE(SUM(recipients), 0) FROM use WHERE account=? AND hour>=?"
)
_ADD: Final = """INSERT INTO use (account, hour, messages, recipients) VALUES (?,?,1,?)
ON CONFLICT (account, hour) DO UPDATE SET messages=messages+1, recipients=recipients+excluded.recipients"""

T = TypeVar("T")


class Counters:
    """The counts, shared by all workers. Every method raises Unavailable when the file cannot be used."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "counters")
        self._database: sqlite3.Connection | None = None

    async def use(self, account: str, now: float) -> Use:
        """Return what the account has sent in the last day."""
        return await self._call(self._use, account, now)

    async def take(self, account: str, recipients: int, allowed: Allowance, now: float) -> bool:
        """Count one more message if the limits allow it. Return whether they do."""
        return await self._call(self._take, account, recipients, allowed, now)

    def close(self) -> None:
        """Finish the work in progress and close."""
        self._thread.shutdown()
        if self._database is not None:
            self._database.close()

    async def _call(self, work: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, lambda: work(*arguments))
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"counters {self._path}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE))
            database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            database.execute(f"PRAGMA busy_timeout={BUSY_MS}")
            _go_over_to_wal(database)
            # a power cut may lose a count but never corrupts the file
            database.execute("PRAGMA synchronous=NORMAL")
            database.execute(_SCHEMA)
            self._database = database
        return self._database

    def _use(self, account: str, now: float) -> Use:
        with closing(self._open().execute(_SUM, (account, oldest_counted(now)))) as found:
            return Use(*found.fetchone())

    def _take(self, account: str, recipients: int, allowed: Allowance, now: float) -> bool:
        database = self._open()
        database.execute("BEGIN IMMEDIATE")
        try:
            fits = within(self._use(account, now), recipients, allowed)
            if fits:
                database.execute("DELETE FROM use WHERE account=? AND hour<?", (account, oldest_counted(now)))
                database.execute(_ADD, (account, hour_of(now), recipients))
            database.execute("COMMIT")
        except sqlite3.Error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
        return fits


def _go_over_to_wal(database: sqlite3.Connection) -> None:
    """Switch to WAL. SQLite does not wait for a lock here, so retry when workers start at the same time."""
    until = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            database.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.005)
