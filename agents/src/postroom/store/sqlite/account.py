"""One account as imap and pop3 see it: each method is one piece of work on its database."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Protocol, TypeVar, cast

from postroom.contracts.account import (
    Appended,
    Changes,
    Content,
    Copied,
    Detail,
    FlagMode,
    Mailbox,
    NewMessage,
    Quota,
    Row,
    Selected,
    Status,
    Stored,
)
from postroom.contracts.clock import Clock
from postroom.contracts.search import Found, Key
from postroom.contracts.store import Quotas
from postroom.store.sqlite import adding, changing, mailboxes, reading, searching
from postroom.store.sqlite.database import Database, as_refusal
from postroom.store.sqlite.maildrop import MaildropLocks

T = TypeVar("T")
_FEW: Final = 500  # rows that are read in the event loop's thread


class Engine(Protocol):
    """What the account needs of the engine, which opens databases and makes calls on them."""

    @property
    def clock(self) -> Clock:
        """The clock for internal dates and UIDVALIDITY."""

    @property
    def quotas(self) -> Quotas:
        """How much accounts may hold."""

    @property
    def maildrops(self) -> MaildropLocks:
        """The locks of POP3 that this process holds."""

    def in_thread(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Make a call that blocks but needs no database."""

    async def run(self, account_id: str, call: Callable[[Database], T]) -> T:
        """Return the call's result. Raises MailError."""

    def at_once(self, account_id: str) -> Database | None:
        """Return the database when it is open and not in use, else None."""

    def new_name(self) -> str:
        """Return a name that no message file ever had."""


class SqliteAccount:
    """Implements contracts.account.MailAccount. Cheap to make; holds nothing open."""

    def __init__(self, store: Engine, account_id: str, path: str, person: str) -> None:
        self._store = store
        self._id = account_id
        self._path = path
        self.person = person  # of an account that has one person: all of it is hers

    async def _run(self, call: Callable[[Database], T]) -> T:
        return await self._store.run(self._id, call)

    async def _read(self, call: Callable[[Database], T]) -> T:
        """Make a small read, without a thread if the database is open and not in use."""
        if self._store.at_once(self._id) is None:
            return await self._store.run(self._id, call)
        return cast(T, self._at_once(call))

    def _at_once(self, call: Callable[[Database], T]) -> T | None:
        """Return the result of a small read; None when the database is closed or in use."""
        database = self._store.at_once(self._id)
        if database is None:
            return None
        try:
            return database.carry_out(call)
        except Exception as error:
            refusal = as_refusal(error)
            if refusal is error:
                raise
            raise refusal from error

    async def _limit(self) -> int:
        return await self._store.quotas.limit(self._id)

    def _now(self) -> int:
        return int(self._store.clock.now())

    async def mailboxes(self) -> tuple[Mailbox, ...]:
        return await self._read(mailboxes.all_mailboxes)

    async def subscriptions(self) -> frozenset[str]:
        return await self._read(mailboxes.subscriptions)

    async def create(self, name: str, special_use: str = "") -> Mailbox:
        return await self._run(lambda db: mailboxes.create(db, name, special_use, self._now()))

    async def delete(self, name: str) -> None:
        await self._run(lambda db: mailboxes.delete(db, name))

    async def rename(self, old: str, new: str) -> None:
        await self._run(lambda db: mailboxes.rename(db, old, new, self._now()))

    async def subscribe(self, name: str, on: bool) -> None:
        await self._run(lambda db: mailboxes.subscribe(db, name, on))

    async def status(self, name: str) -> Status:
        return await self._read(lambda db: mailboxes.status(db, name))

    async def statuses(self, names: Sequence[str]) -> dict[str, Status]:
        call = partial(mailboxes.statuses, names=names)
        return await (self._read(call) if len(names) <= _FEW else self._run(call))

    async def select(self, name: str, writable: bool) -> Selected:
        found = self._at_once(lambda db: reading.select_at_once(db, name, writable))
        if found is not None:
            return found
        return await self._run(lambda db: reading.select(db, name, writable))

    async def changes(self, mailbox: int, since: int, writable: bool) -> Changes:
        found = self._at_once(lambda db: reading.changes_at_once(db, mailbox, since, _FEW))
        if found is None or (writable and found.recent):
            return await self._run(lambda db: reading.changes(db, mailbox, since, writable))
        return found

    async def rows(
        self, mailbox: int, uids: Sequence[int] | None = None, changed_since: int = 0
    ) -> tuple[Row, ...]:
        small = uids is not None and len(uids) <= _FEW
        call = partial(reading.rows, mailbox=mailbox, uids=uids, changed_since=changed_since)
        return await (self._read(call) if small else self._run(call))

    async def search(self, mailbox: int, key: Key, uids: Sequence[int]) -> Found:
        call = partial(searching.search, mailbox=mailbox, key=key, uids=uids)
        return await (self._read(call) if len(uids) <= _FEW else self._run(call))

    async def details(self, mailbox: int, uids: Sequence[int]) -> tuple[Detail, ...]:
        call = partial(reading.details, mailbox=mailbox, uids=uids)
        return await (self._read(call) if len(uids) <= _FEW else self._run(call))

    async def content(self, mailbox: int, uid: int) -> bytes:
        found = self._at_once(lambda db: reading.content_at_hand(db, mailbox, uid))
        return found if found is not None else await self._run(lambda db: reading.content(db, mailbox, uid))

    async def head(self, mailbox: int, uid: int, octets: int) -> bytes:
        found = self._at_once(lambda db: reading.head_at_hand(db, mailbox, uid, octets))
        if found is not None:
            return found
        return await self._run(lambda db: reading.content(db, mailbox, uid, octets))

    async def contents(self, mailbox: int, uids: Sequence[int], octets: int) -> tuple[Content, ...]:
        return await self._run(lambda db: reading.contents(db, mailbox, uids, octets))

    async def heads(self, mailbox: int, uids: Sequence[int], octets: int) -> tuple[Content, ...]:
        room = (octets + reading.SMALL) * len(uids)  # no common limit for all of them
        return await self._run(lambda db: reading.contents(db, mailbox, uids, room, octets))

    async def piece(self, mailbox: int, uid: int, start: int, end: int) -> bytes:
        return await self._run(lambda db: reading.piece(db, mailbox, uid, start, end))

    async def append(self, name: str, messages: Sequence[NewMessage]) -> Appended:
        names = [self._store.new_name() for _ in messages]
        now, quota = self._now(), await self._limit()
        return await self._run(lambda db: adding.append(db, name, messages, names, now, quota))

    async def store(
        self,
        mailbox: int,
        uids: Sequence[int],
        mode: FlagMode,
        flags: frozenset[str],
        unchanged_since: int | None = None,
    ) -> Stored:
        change = changing.flag_change(mode, flags)
        return await self._run(lambda db: changing.store(db, mailbox, uids, change, unchanged_since))

    async def expunge(self, mailbox: int, uids: Sequence[int] | None = None) -> tuple[int, ...]:
        return await self._run(lambda db: changing.expunge(db, mailbox, uids))

    async def copy(self, mailbox: int, uids: Sequence[int], target: str) -> Copied:
        quota = await self._limit()
        return await self._run(lambda db: changing.copy(db, mailbox, uids, target, quota))

    async def move(self, mailbox: int, uids: Sequence[int], target: str) -> Copied:
        return await self._run(lambda db: changing.move(db, mailbox, uids, target))

    async def quota(self) -> Quota:
        limit = await self._limit()
        return await self._read(lambda db: mailboxes.quota(db, limit))

    @asynccontextmanager
    async def maildrop(self) -> AsyncIterator[None]:
        locks = self._store.maildrops
        taking = self._store.in_thread(partial(locks.take, self._path))
        try:
            await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(partial(locks.give_back_unwanted, self._path))
            raise
        try:
            yield
        finally:
            locks.give_back(self._path)
