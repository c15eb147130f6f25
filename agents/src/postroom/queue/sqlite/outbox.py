"""All spools of the host as one outbox: finds them, listens for their notices, keeps and recovers leases."""

import asyncio
import os
import secrets
import socket
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from postroom.contracts.clock import Clock
from postroom.contracts.errors import MailError, Unavailable
from postroom.contracts.outbox import Claim, Outcome, Partition, Postponement
from postroom.queue.sqlite.claiming import Handle
from postroom.queue.sqlite.content import StoredContent
from postroom.queue.sqlite.notices import bind_notices
from postroom.queue.sqlite.owners import OwnerFile, Owners, dead_owners, forget_owner
from postroom.queue.sqlite.partition import SpoolPartition
from postroom.queue.sqlite.reader import SpoolReader
from postroom.queue.sqlite.reserve import Reserve, reserves
from postroom.queue.sqlite.schema import NotYet
from postroom.runtime.log import Log

RENEW: Final = 15.0  # seconds between two renewals of the leases
LOOK: Final = 5.0  # seconds after which new spools and ended relays are looked for


@dataclass(frozen=True, slots=True)
class SpoolLayout:
    """The paths of spools, and this relay among others. `name` tells this process from other workers.

    `owner_directory` is the relay's own. No row waits longer than `longest_pause` seconds.
    """

    directories: Sequence[str]
    owner_directory: str
    run_directory: str
    name: str
    longest_pause: float


class SqliteOutbox:
    """Implements contracts.outbox.Outbox: a partition per spool."""

    def __init__(self, layout: SpoolLayout, clock: Clock, log: Log) -> None:
        self._layout = layout
        self._clock = clock
        self._log = log
        self._owners = Owners(layout.owner_directory, steady=clock.steady)
        self._owner = f"{layout.name}-{os.getpid()}-{secrets.token_hex(8)}"
        self._own: OwnerFile | None = None
        self._partitions: dict[str, SpoolPartition] = {}
        self._news: Callable[[Partition], None] = lambda partition: None
        self._unusable: set[str] = set()
        self._reserves: dict[str, Reserve] = {}
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []
        self._notices: socket.socket | None = None

    async def watch(self, news: Callable[[Partition], None]) -> None:
        """Open what is there and begin to watch. Raises Unavailable: the relay's own directory is unusable."""
        self._news = news
        try:
            self._own = OwnerFile(self._layout.owner_directory, self._owner)
        except OSError as error:
            raise Unavailable(f"{self._layout.owner_directory}: {error.strerror}") from error
        await self._look_for_spools()
        await self._recover()
        try:
            self._notices = bind_notices(self._layout.run_directory, self._layout.name)
            asyncio.get_running_loop().add_reader(self._notices.fileno(), self._on_notice)
        except OSError as error:
            self._log.warning(f"{self._layout.run_directory}: {error.strerror}: looking every {LOOK:.0f} s")
        self._tasks = [
            asyncio.ensure_future(self._keep_looking()),
            asyncio.ensure_future(self._keep_leases()),
        ]

    def _on_notice(self) -> None:
        assert self._notices is not None
        names = set()
        with suppress(BlockingIOError):
            while True:
                names.add(self._notices.recv(256).decode("ascii", "replace"))
        for path, partition in self._partitions.items():
            name = os.path.basename(path).removesuffix(".db")
            if name in names:
                self._news(partition)
                names.discard(name)
        if names:
            self._tasks.append(asyncio.ensure_future(self._look_for_spools()))

    async def _look_for_spools(self) -> None:
        for directory in self._layout.directories:
            try:
                names = os.listdir(directory)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._complain_once(directory, error)
                continue
            for name in sorted(names):
                if name.endswith(".db") and not self._closing:
                    self._open(f"{directory}/{name}")
        self._tasks = [task for task in self._tasks if not task.done()]

    def _open(self, path: str) -> None:
        if path in self._partitions:
            return
        try:
            reader = SpoolReader(path, self._owner, self._owners, self._reserve_for(path))
        except NotYet:
            return
        except (sqlite3.Error, OSError) as error:
            self._complain_once(path, error)
            return
        self._unusable.discard(path)
        partition = self._partitions[path] = SpoolPartition(reader, self._clock)
        self._news(partition)

    def _reserve_for(self, path: str) -> Reserve | None:
        directory = os.path.dirname(path)
        if directory not in self._reserves:  # intake makes its folder when it starts
            self._reserves = reserves((self._layout.owner_directory, *self._layout.directories))
        return self._reserves.get(directory)

    def _complain_once(self, path: str, error: Exception) -> None:
        if path not in self._unusable:
            self._unusable.add(path)
            self._log.error(f"spool {path} cannot be read: {error}")

    def settle(self, claim: Claim, outcomes: Sequence[Outcome]) -> None:
        """Note what became of recipients of a claim; it is on disk soon."""
        partition, seq = self._place_of(claim)
        partition.settle(seq, outcomes)
        self._news(partition)

    def release(self, claim: Claim) -> None:
        """Give a claim back as it was, due at once."""
        self.settle(
            claim,
            [
                Outcome(one.number, claim.claimed, one.host, one.status, one.reply, attempted=False, warned=one.warned)
                for one in claim.recipients
            ],
        )  # fmt: skip

    async def load(self, claim: Claim) -> StoredContent:
        """Return the content of a claim. Raises MessageGone, Unavailable."""
        partition, seq = self._place_of(claim)
        return await partition.call(partial(partition.reader.load, seq))

    def _place_of(self, claim: Claim) -> tuple[SpoolPartition, int]:
        handle = claim.handle
        assert isinstance(handle, Handle)
        return self._partitions[handle.spool], handle.seq

    async def postpone(self, what: Postponement) -> int:
        """Put off everything due for a destination; return the number of recipients."""
        count = 0
        for partition in list(self._partitions.values()):
            with suppress(MailError):
                while moved := await partition.call(
                    partial(partition.reader.postpone, what, self._clock.now())
                ):
                    count += moved
        return count

    async def _keep_looking(self) -> None:
        while not self._closing:
            await asyncio.sleep(LOOK)
            await self._look_for_spools()
            await self._recover()
            for reserve in set(self._reserves.values()):
                reserve.keep()
            for partition in list(self._partitions.values()):
                with suppress(MailError):
                    await partition.tidy(self._layout.longest_pause)

    async def _keep_leases(self) -> None:
        while not self._closing:
            await asyncio.sleep(RENEW)
            for partition in list(self._partitions.values()):
                with suppress(MailError):
                    await partition.renew()

    async def _recover(self) -> None:
        """Take over at once what a relay that died had claimed."""
        with suppress(OSError):
            for owner in dead_owners(self._layout.owner_directory):
                await self._take_over(owner)

    async def _take_over(self, owner: str) -> None:
        number = 0
        try:
            for partition in list(self._partitions.values()):
                number += await partition.release(owner)
                self._news(partition)
        except MailError as error:
            self._log.error(f"leases of a relay that ended: {error}")
            return
        forget_owner(self._layout.owner_directory, owner)
        if number:
            self._log.info(f"{number} recipients taken over from a relay that ended")

    async def close(self) -> None:
        """End watching, give all leases back, close the files."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        if self._notices is not None:
            asyncio.get_running_loop().remove_reader(self._notices.fileno())
            path = self._notices.getsockname()
            self._notices.close()
            with suppress(OSError):
                os.unlink(path)
        for partition in self._partitions.values():
            with suppress(MailError):
                await partition.release(self._owner)
            partition.close()
        if self._own is not None:
            self._own.close()
