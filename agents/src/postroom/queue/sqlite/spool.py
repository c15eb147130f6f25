"""The spool of one writing process: messages become durable here before their 250.

All sessions that wait share one transaction (group commit): one commit is under way, everything that comes
meanwhile goes into the next. Large bodies are files, synchronised and renamed before the commit.
"""

import asyncio
import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, NamedTuple, NoReturn

from postroom.contracts.clock import Clock
from postroom.contracts.errors import Unavailable
from postroom.contracts.queue import Draft, QueuedMessage
from postroom.queue.sqlite import schema
from postroom.queue.sqlite.checkpoints import Checkpointer
from postroom.queue.sqlite.drafts import SpooledDraft, refusal
from postroom.queue.sqlite.notices import RelayNotices
from postroom.queue.sqlite.reserve import SPARE, free
from postroom.queue.sqlite.siblings import Siblings
from postroom.runtime.config import ConfigError
from postroom.runtime.service import Service

LARGEST_BATCH: Final = 200  # messages in one transaction: bounds the time others wait for their turn
# an envelope that SQLite cannot hold: half a surrogate pair in a text, a number beyond 64 bits
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
        sqlite3.SQLITE_IOERR_FSYNC,  # what the kernel failed to write may be dropped and a second fsync succeed
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


class _Waiting(NamedTuple):
    message: QueuedMessage
    head: bytes
    body: bytes | None
    body_file: str
    body_start: int
    done: "asyncio.Future[bool]"


class Spool:
    """Implements contracts.queue.Intake on `<directory>/<agent>-<worker>.db`.

    `agent` is the directory's name unless given. `fail` ends the process with one line: it is called when
    the disk did not keep what it had taken. `run_directory` is where relays listen for notices. `spare`: octets
    that are left free on the disk.
    """

    def __init__(  # noqa: PLR0913
        self,
        directory: str,
        worker: int,
        clock: Clock,
        fail: Callable[[str], NoReturn],
        *,
        agent: str = "",
        run_directory: str = "/run/postroom",
        spare: int = SPARE,
    ) -> None:
        self._directory = directory
        self._agent = agent or os.path.basename(directory.rstrip("/"))
        self._worker = worker
        self._clock = clock
        self._fail = fail
        self._spare = spare
        self._notices = RelayNotices(run_directory, clock.steady)
        self._writer = ThreadPoolExecutor(1, "spool-commit")
        self._syncer = ThreadPoolExecutor(4, "spool-sync")
        self._waiting: list[_Waiting] = []
        self._committing: asyncio.Task[None] | None = None
        self._closed = True

    def open(self) -> None:
        """Open or make the spool and remove what a crash left behind. Raises Unavailable."""
        try:
            self._make_directory()
            self.name, self._identity = self._claim_name()
            self.path = f"{self._directory}/{self.name}.db"
            schema.create(self.path)
            self._database = schema.connect(self.path, durable=True)
            schema.complete(self._database)
            self._turn = schema.Turn(self.path)
            self._checkpoints = Checkpointer(self.path)
            self._siblings = Siblings(self.path, self._clock.steady)
            self._folder = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._remove_leftovers()
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"spool {self._directory}: {error}") from error
        self._closed = False

    def _make_directory(self) -> None:
        """On hosts it is there already; a sandboxed service may not set the group bit itself. Workers start at once."""
        if not os.path.isdir(self._directory):
            os.makedirs(self._directory, exist_ok=True)
            with suppress(PermissionError):
                os.chmod(self._directory, schema.DIRECTORY_MODE)

    def _claim_name(self) -> tuple[str, int]:
        """A name no other live process writes under: an old release may still be draining under ours."""
        for number in range(1, 65):
            name = f"{self._agent}-{self._worker}" + (f"-{number}" if number > 1 else "")
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(f"{self._directory}/{name}.lock", flags, schema.FILE_MODE)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            return name, descriptor
        raise OSError("64 processes write under this name")

    def _remove_leftovers(self) -> None:
        kept = {
            name for (name,) in self._database.execute("SELECT body_file FROM message WHERE body_file <> ''")
        }
        for name in os.listdir(self._directory):
            if name.startswith(f"{self.name}.") and name.endswith((".draft", ".body")) and name not in kept:
                os.unlink(f"{self._directory}/{name}")

    async def close(self) -> None:
        """Finish what is waiting and close."""
        if self._closed:
            return
        self._closed = True
        while self._committing is not None:
            await asyncio.wait([self._committing])
        self._syncer.shutdown()
        self._writer.shutdown()
        self._checkpoints.close()
        self._siblings.close()
        self._database.close()
        self._turn.close()
        self._notices.close()
        os.close(self._folder)
        os.close(self._identity)

    def draft(self) -> SpooledDraft:
        """A place for the next message's octets."""
        return SpooledDraft(f"{self._directory}/{self.name}")

    async def accept(self, message: QueuedMessage, head: bytes, draft: Draft, body_start: int) -> bool:
        """Make message durable. Raises Unavailable: nothing was accepted.

        A message whose id is in the spool already is taken as accepted and not stored again (False); a
        repeatable one also when it is in a sibling's spool, or has left this host from one of them.
        """
        assert isinstance(draft, SpooledDraft)
        body, name = draft.inline(body_start), ""
        loop = asyncio.get_running_loop()
        try:
            if self._closed:
                raise Unavailable("spool is closed")
            if body is None:
                name = await self._kept(draft)
            done: asyncio.Future[bool] = loop.create_future()
            self._waiting.append(_Waiting(message, head, body, name, body_start if name else 0, done))
            if self._committing is None:
                self._committing = loop.create_task(self._commit_waiting())
            return await asyncio.shield(done)
        finally:
            draft.discard()

    async def _kept(self, draft: SpooledDraft) -> str:
        """The name of the file that holds the body, on disk."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._syncer, self._sync_body, draft)
        except OSError as error:
            if error.errno == errno.EIO:
                self._fail(
                    f"spool {self._directory}: {error.strerror}: stopping, since the disk loses what it takes"
                )
            raise refusal(error) from error

    def _sync_body(self, draft: SpooledDraft) -> str:
        name = draft.settle()
        os.fsync(self._folder)
        return name

    async def _commit_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
                result = await loop.run_in_executor(self._writer, self._commit, batch)
                if isinstance(result, _UNFIT) and len(batch) > 1:
                    # one envelope cannot be written down: the others are not to blame
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

    def _confirm(self, batch: list[_Waiting], stored: list[bool]) -> None:
        self._notices.send(self.name)
        for waiting, new in zip(batch, stored, strict=True):
            if not waiting.done.done():
                waiting.done.set_result(new)

    def _refuse(self, batch: list[_Waiting], error: Exception) -> None:
        for waiting in batch:
            if not waiting.done.done():
                waiting.done.set_exception(refusal(error))
                waiting.done.exception()  # the session may be gone: nobody is told then
        if _is_fatal(error):
            self._fail(f"spool {self.path}: {error}: stopping, since the disk may have lost what it took")

    def _commit(self, batch: list[_Waiting]) -> list[bool] | Exception:
        """For each whether it is new, or why nothing was committed."""
        elsewhere = self._siblings.having([one.message.id for one in batch if one.message.repeatable])
        try:
            if self._spare and free(self._folder) < self._spare:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with schema.transaction(self._database, self._turn) as database:
                stored = [
                    waiting.message.id not in elsewhere and _insert(database, waiting) for waiting in batch
                ]
        except (sqlite3.Error, OSError, *_UNFIT) as error:
            if not (isinstance(error, _UNFIT) and len(batch) > 1) and not _is_fatal(error):
                self._remove_bodies(batch)  # after a fatal error the rows may be on disk after all
            return error
        self._remove_bodies(waiting for waiting, new in zip(batch, stored, strict=True) if not new)
        return stored

    def _remove_bodies(self, batch: Iterable[_Waiting]) -> None:
        for waiting in batch:
            if waiting.body_file:
                with suppress(OSError):
                    os.unlink(f"{self._directory}/{waiting.body_file}")


def open_spool(
    directory: str, agent: str, service: Service, run_directory: str, *, spare: int = SPARE
) -> Spool:
    """The spool of one worker of an agent, open. Raises ConfigError."""
    spool = Spool(
        directory,
        service.worker,
        service.clock,
        service.fail,
        agent=agent,
        run_directory=run_directory,
        spare=spare,
    )
    try:
        spool.open()
    except Unavailable as error:
        raise ConfigError(str(error)) from error
    return spool


def _is_fatal(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", None) in _FATAL


def _insert(database: sqlite3.Connection, waiting: _Waiting) -> bool:
    message = waiting.message
    if message.repeatable and database.execute(_HAS_LEFT, (message.id,)).fetchone() is not None:
        return False
    row: tuple[Any, ...] = (
        message.id, message.arrived, message.sender, message.origin.value, message.size, message.message_id,
        message.signing_domain, message.vouched, message.authentication, message.arc, message.body,
        message.smtputf8, message.envid, message.ret, message.client, message.account, waiting.body_file,
        waiting.body_start, waiting.head, waiting.body,
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
