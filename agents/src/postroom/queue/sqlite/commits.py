"""Group commit: all sessions that wait share one transaction.

While one commit is under way, every message that arrives goes into the next one.
"""

import asyncio
import errno
import os
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, NamedTuple, NoReturn

from postroom.contracts.queue import QueuedMessage
from postroom.queue.sqlite import schema
from postroom.queue.sqlite.checkpoints import Checkpointer
from postroom.queue.sqlite.drafts import refusal
from postroom.queue.sqlite.notices import RelayNotices
from postroom.queue.sqlite.reserve import free
from postroom.queue.sqlite.siblings import Siblings

# Messages in one transaction; bounds how long the relay waits for the write lock.
LARGEST_BATCH: Final = 200
# An envelope that SQLite cannot hold: half a surrogate pair in a text, a number beyond 64 bits.
_UNFIT: Final = (
    ValueError,
    OverflowError,
    TypeError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    sqlite3.DataError,
)
_FATAL: Final = frozenset(
    {
        # The kernel may drop the pages that it failed to write, after which a second fsync succeeds.
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_DIR_FSYNC,
        sqlite3.SQLITE_IOERR_TRUNCATE,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)
_INSERT_MESSAGE: Final = (
    "INSERT INTO message (id, arrived, sender, origin, size, message_id, signing_domain, vouched,"
    " authentication, arc, body_type, smtputf8, envid, ret, client, account, body_file, body_start, head, body)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING"
)
_HAS_LEFT: Final = "SELECT 1 FROM finished WHERE id = ?"
_INSERT_RECIPIENT: Final = (
    "INSERT INTO recipient (message, number, address, hop, destination, account, original, sender, orcpt,"
    " notify, arrived, due) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
)


class Submission(NamedTuple):
    """A message that waits for its commit. `body` None: it is in `body_file`, from octet `body_start` on."""

    message: QueuedMessage
    head: bytes
    body: bytes | None
    body_file: str
    body_start: int
    done: "asyncio.Future[bool]"


class GroupCommit:
    """Commits submissions to one spool. `fail` ends the process: the disk did not keep what it had taken.

    `spare`: octets that are left free on the disk.
    """

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        path: str,
        folder: int,
        steady: Callable[[], float],
        notices: RelayNotices,
        fail: Callable[[str], NoReturn],
        spare: int,
    ) -> None:
        """Open the spool at `path` in the folder of that descriptor. Raises sqlite3.Error, OSError."""
        self._path = path
        self._name = os.path.basename(path).removesuffix(".db")
        self._folder = folder
        self._notices = notices
        self._fail = fail
        self._spare = spare
        self._database = schema.connect(path, durable=True)
        schema.complete(self._database)
        self._lock = schema.WriteLock(path)
        self._checkpoints = Checkpointer(path)
        self._siblings = Siblings(path, steady)
        self._writer = ThreadPoolExecutor(1, "spool-commit")
        self._waiting: list[Submission] = []
        self._committing: asyncio.Task[None] | None = None

    def body_files(self) -> set[str]:
        """Return the names of all body files that a message of the spool has. Raises sqlite3.Error."""
        found = self._database.execute("SELECT body_file FROM message WHERE body_file <> ''")
        return {name for (name,) in found}

    def add(self, submission: Submission) -> None:
        """Commit it with the next transaction; its future gets the result: True when it is new, or Unavailable."""
        self._waiting.append(submission)
        if self._committing is None:
            self._committing = asyncio.get_running_loop().create_task(self._commit_waiting())

    async def _commit_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
                result = await loop.run_in_executor(self._writer, self._commit, batch)
                if isinstance(result, _UNFIT) and len(batch) > 1:
                    # One envelope cannot be written; commit them one by one, so that only that one is refused.
                    self._waiting = batch[1:] + self._waiting
                    batch = batch[:1]
                    result = await loop.run_in_executor(self._writer, self._commit, batch)
                if isinstance(result, Exception):
                    self._refuse(batch, result)
                else:
                    self._confirm(batch, result)
                self._checkpoints.consider()
        finally:
            self._committing = None

    def _confirm(self, batch: list[Submission], stored: list[bool]) -> None:
        self._notices.send(self._name)
        for submission, new in zip(batch, stored, strict=True):
            if not submission.done.done():
                submission.done.set_result(new)

    def _refuse(self, batch: list[Submission], error: Exception) -> None:
        for submission in batch:
            if not submission.done.done():
                submission.done.set_exception(refusal(error))
                submission.done.exception()  # marks it as retrieved: the session may have ended meanwhile
        if _is_fatal(error):
            self._fail(f"spool {self._path}: {error}: stopping, since the disk may have lost what it took")

    def _commit(self, batch: list[Submission]) -> list[bool] | Exception:
        """Return for each submission whether it is new, or the error for which nothing was committed."""
        elsewhere = self._siblings.having([one.message.id for one in batch if one.message.repeatable])
        try:
            if self._spare and free(self._folder) < self._spare:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with schema.transaction(self._database, self._lock) as database:
                stored = [one.message.id not in elsewhere and _insert(database, one) for one in batch]
        except (sqlite3.Error, OSError, *_UNFIT) as error:
            if not (isinstance(error, _UNFIT) and len(batch) > 1) and not _is_fatal(error):
                self._remove_bodies(batch)  # after a fatal error the rows may be on disk after all
            return error
        self._remove_bodies(one for one, new in zip(batch, stored, strict=True) if not new)
        return stored

    def _remove_bodies(self, batch: Iterable[Submission]) -> None:
        for submission in batch:
            if submission.body_file:
                with suppress(OSError):
                    os.unlink(f"{os.path.dirname(self._path)}/{submission.body_file}")

    async def close(self) -> None:
        """Commit everything that waits, then close the files."""
        while self._committing is not None:
            await asyncio.wait([self._committing])
        self._writer.shutdown()
        self._checkpoints.close()
        self._siblings.close()
        self._database.close()
        self._lock.close()


def _is_fatal(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", None) in _FATAL


def _insert(database: sqlite3.Connection, submission: Submission) -> bool:
    """Insert a message with its recipients; return False when its id is known already."""
    message = submission.message
    if message.repeatable and database.execute(_HAS_LEFT, (message.id,)).fetchone() is not None:
        return False
    row: tuple[Any, ...] = (
        message.id, message.arrived, message.sender, message.origin.value, message.size, message.message_id,
        message.signing_domain, message.vouched, message.authentication, message.arc, message.body,
        message.smtputf8, message.envid, message.ret, message.client, message.account, submission.body_file,
        submission.body_start, submission.head, submission.body,
    )  # fmt: skip
    cursor = database.execute(_INSERT_MESSAGE, row)
    if not cursor.rowcount:
        return False
    seq, arrived = cursor.lastrowid, message.arrived
    database.executemany(
        _INSERT_RECIPIENT,
        [
            (seq, number, to.address, to.hop.value, to.destination, to.account, to.original, to.sender, to.orcpt,
             to.notify, arrived, arrived)
            for number, to in enumerate(message.recipients)
        ],
    )  # fmt: skip
    return True
