"""The spool of one writing process, from opening to closing: messages become durable here before their 250.

Large bodies are files, synchronised and renamed before the commit.
"""

import asyncio
import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NoReturn

from postroom.contracts.clock import Clock
from postroom.contracts.errors import Unavailable
from postroom.contracts.queue import Draft, QueuedMessage
from postroom.queue.sqlite import schema
from postroom.queue.sqlite.commits import GroupCommit, Submission
from postroom.queue.sqlite.drafts import SpooledDraft, refusal
from postroom.queue.sqlite.notices import RelayNotices
from postroom.queue.sqlite.reserve import SPARE


class Spool:
    """Implements contracts.queue.Intake on `<directory>/<agent>-<worker>.db`.

    `agent` is the directory's name unless given. `fail` ends the process with one line; the spool calls it when
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
        self._syncer = ThreadPoolExecutor(4, "spool-sync")
        self._closed = True

    def open(self) -> None:
        """Open or make the spool and remove what a crash left behind. Raises Unavailable."""
        try:
            self._make_directory()
            self.name, self._name_lock = self._claim_name()
            self.path = f"{self._directory}/{self.name}.db"
            schema.create(self.path)
            self._folder = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self.commits = GroupCommit(
                self.path, self._folder, self._clock.steady, self._notices, self._fail, self._spare
            )
            self._remove_leftovers()
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"spool {self._directory}: {error}") from error
        self._closed = False

    def _make_directory(self) -> None:
        """Make the directory where it is missing; workers that start together may all try.

        On hosts it exists already, and a sandboxed service may not set the setgid bit itself.
        """
        if not os.path.isdir(self._directory):
            os.makedirs(self._directory, exist_ok=True)
            with suppress(PermissionError):
                os.chmod(self._directory, schema.DIRECTORY_MODE)

    def _claim_name(self) -> tuple[str, int]:
        """Lock and return a name under which no other live process writes, with the lock's descriptor.

        An old release may still be draining under the usual name.
        """
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
        kept = self.commits.body_files()
        for name in os.listdir(self._directory):
            if name.startswith(f"{self.name}.") and name.endswith((".draft", ".body")) and name not in kept:
                os.unlink(f"{self._directory}/{name}")

    async def close(self) -> None:
        """Commit everything that waits, then close the files; idempotent."""
        if self._closed:
            return
        self._closed = True
        await self.commits.close()
        self._syncer.shutdown()
        self._notices.close()
        os.close(self._folder)
        os.close(self._name_lock)

    def draft(self) -> SpooledDraft:
        """Return a place for the next message's octets."""
        return SpooledDraft(f"{self._directory}/{self.name}")

    async def accept(self, message: QueuedMessage, head: bytes, draft: Draft, body_start: int) -> bool:
        """Make a message durable. Raises Unavailable: nothing was accepted.

        A message whose id is in the spool already counts as accepted and is not stored again (False). For a
        repeatable one the spools of the siblings count too, and the ids of messages that left this host.
        """
        assert isinstance(draft, SpooledDraft)
        body, name = draft.inline(body_start), ""
        try:
            if self._closed:
                raise Unavailable("spool is closed")
            if body is None:
                name = await self._keep_body(draft)
            done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self.commits.add(Submission(message, head, body, name, body_start if name else 0, done))
            return await asyncio.shield(done)
        finally:
            draft.discard()

    async def _keep_body(self, draft: SpooledDraft) -> str:
        """Put the body's file on disk under its final name and return that name. Raises Unavailable."""
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
