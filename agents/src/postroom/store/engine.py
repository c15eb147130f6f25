"""The store on SQLite rows and message files: which account is open, who works on it, in which thread.

Per account one thread at a time; what waits meanwhile is done in one go, all waiting deliveries in one commit.
Accounts work in parallel, since fsync leaves Python's lock. Small reads of an account at rest are answered at once,
without a thread. The least recently used accounts are closed when too many are open.
"""

import asyncio
import math
import os
import resource
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from postroom.contracts.clock import Clock
from postroom.contracts.errors import MailError, Unavailable
from postroom.contracts.mailbox import Delivery
from postroom.mail.ids import queue_id
from postroom.store import adding, litter
from postroom.store.account import SqliteAccount
from postroom.store.database import Database, as_refusal
from postroom.store.files import SyncFailed
from postroom.store.maildrop import MaildropLocks
from postroom.store.names import account_folder

T = TypeVar("T")
_THREADS: Final = 4
_SWEEP_SECONDS: Final = 30.0  # between looks for accounts at rest
_TIDIED_AT_ONCE: Final = 4  # accounts


class Notices(Protocol):
    """Tells other processes that an account changed; never blocks, never fails."""

    def send(self, account_id: str) -> None: ...


class Silence:
    """For tools that nobody listens to."""

    def send(self, account_id: str) -> None:
        """Tell nobody."""


class _Work:
    """One call or one delivery, and who waits for it."""

    __slots__ = ("call", "error", "job", "result", "waiter")

    def __init__(
        self, waiter: asyncio.Future[Any], call: Callable[[Database], Any] | None, job: adding.Job | None
    ) -> None:
        self.waiter, self.call, self.job = waiter, call, job
        self.result: Any = None
        self.error: Exception | None = None


class _Open:
    """An account that is in use, or was of late."""

    __slots__ = ("busy", "database", "id", "tidied", "used", "waiting")

    def __init__(self, account_id: str) -> None:
        self.id = account_id
        self.database: Database | None = None
        self.waiting: list[_Work] = []
        self.busy = False
        self.used = 0.0  # steady seconds
        self.tidied = -math.inf  # the same


class SqliteStore:
    """All accounts below one folder; implements contracts.mailbox.Store. Used from one event loop."""

    def __init__(  # noqa: PLR0913
        self,
        directory: str,
        notices: Notices,
        clock: Clock,
        *,
        open_accounts: int,
        idle_seconds: float,
        remember_deliveries: float,
        busy_seconds: float,
        on_fatal: Callable[[str], object],
        tell: Callable[[str], object],
    ) -> None:
        self._directory = directory
        self._notices = notices
        self.clock = clock
        self._open_accounts = open_accounts
        self._idle_seconds = idle_seconds
        self._sweeper: asyncio.TimerHandle | None = None
        self._remember = remember_deliveries
        self._busy_seconds = busy_seconds
        self._on_fatal = on_fatal
        self._tell = tell
        self._broken = False
        self._accounts: OrderedDict[str, _Open] = OrderedDict()
        self._running: set[asyncio.Future[None]] = set()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")
        self.maildrops = MaildropLocks()

    async def account(self, account_id: str, quota_bytes: int) -> SqliteAccount:
        """The account, made when new. Raises Unavailable."""
        path = self.path(account_id)
        entry = self._accounts.get(account_id)
        if entry is None or entry.database is None:
            await self.run(account_id, _nothing)
        return SqliteAccount(self, account_id, path, quota_bytes)

    async def deliver(self, deliveries: Sequence[Delivery]) -> tuple[Exception | None, ...]:
        """See contracts.mailbox.Store."""
        shared: dict[int, adding.Octets] = {}
        waiters: list[asyncio.Future[Any] | MailError] = []
        for delivery in deliveries:
            octets = shared.get(id(delivery.content))
            if octets is None:
                octets = shared[id(delivery.content)] = adding.Octets(delivery.content)
            try:
                self.path(delivery.account)
                job = adding.Job(delivery, octets, self.new_name())
                waiters.append(self._submit(delivery.account, None, job))
            except MailError as refusal:
                waiters.append(refusal)
        pending = [waiter for waiter in waiters if not isinstance(waiter, MailError)]
        if len(pending) == 1:
            await asyncio.wait(pending)
        elif pending:
            await asyncio.gather(*pending, return_exceptions=True)
        return tuple(waiter if isinstance(waiter, MailError) else _outcome(waiter) for waiter in waiters)

    def path(self, account_id: str) -> str:
        """The account's folder. Raises Unavailable for an id that is none."""
        return f"{self._directory}/{account_folder(account_id)}"

    def new_name(self) -> str:
        """A name that no message file ever had."""
        return queue_id(int(self.clock.now() * 1000), os.urandom(10))

    async def run(self, account_id: str, call: Callable[[Database], T]) -> T:
        """The call's result, made in a thread. Raises MailError."""
        result: T = await self._submit(account_id, call, None)
        return result

    def at_once(self, account_id: str) -> Database | None:
        """The database, when it is open and nobody works on it: for small reads in the event loop's own thread."""
        entry = self._accounts.get(account_id)
        if entry is None or entry.busy or self._broken:
            return None
        self._accounts.move_to_end(account_id)
        entry.used = self.clock.steady()
        return entry.database

    async def close(self) -> None:
        """Finish what is under way and close all databases."""
        if self._sweeper:
            self._sweeper.cancel()
        while any(entry.busy for entry in self._accounts.values()):
            if self._running:
                await asyncio.wait(self._running)
            await asyncio.sleep(0)
        for entry in self._accounts.values():
            if entry.database:
                await asyncio.get_running_loop().run_in_executor(self._threads, entry.database.close)
        self._accounts.clear()
        self.maildrops.close()
        self._threads.shutdown()

    def _submit(
        self, account_id: str, call: Callable[[Database], Any] | None, job: adding.Job | None
    ) -> asyncio.Future[Any]:
        if self._broken:
            raise Unavailable("mailbox store has stopped after a disk error")
        entry = self._accounts.get(account_id)
        if entry is None:
            self.path(account_id)
            entry = self._accounts[account_id] = _Open(account_id)
        else:
            self._accounts.move_to_end(account_id)
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        entry.waiting.append(_Work(waiter, call, job))
        entry.used = self.clock.steady()
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)
        if not entry.busy:
            entry.busy = True
            asyncio.get_running_loop().call_soon(
                self._start, entry
            )  # with what else comes in this turn of the loop
        return waiter

    def _start(self, entry: _Open) -> None:
        works, entry.waiting = entry.waiting, []
        entry.busy = True
        self._in_thread(entry, partial(self._work, entry, works), partial(self._done, entry, works))

    def _in_thread(
        self, entry: _Open, work: Callable[[], None], done: Callable[[asyncio.Future[None]], None]
    ) -> None:
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        self._running.add(running)
        running.add_done_callback(done)

    def _work(self, entry: _Open, works: list[_Work]) -> None:
        """In a thread. Every work gets its result or error."""
        try:
            database = entry.database
            if database is None:
                now = int(self.clock.now())
                database = entry.database = Database(self.path(entry.id), now, self._busy_seconds)
            _deliver(database, [work for work in works if work.job], int(self.clock.now() - self._remember))
            for work in works:
                if work.call:
                    _call(database, work, work.call)
        except Exception as error:
            refusal = as_refusal(error, f"account {entry.id}: ")
            for work in works:
                work.error = work.error or refusal

    def _done(self, entry: _Open, works: list[_Work], running: asyncio.Future[None]) -> None:
        self._running.discard(running)
        entry.busy = False
        database = entry.database
        if database and database.dirty:
            database.dirty = False
            self._notices.send(entry.id)
        for work in works:
            if isinstance(work.error, SyncFailed):
                self._broken = True
                self._on_fatal(f"accounts/{entry.id}: {work.error}")
                work.error = Unavailable("disk error")
            if work.waiter.done():
                continue  # whoever asked has gone
            if work.error:
                work.waiter.set_exception(work.error)
            else:
                work.waiter.set_result(work.result)
        if entry.waiting:
            self._start(entry)
        elif database is None:
            del self._accounts[entry.id]
        self._close_oldest()

    def _close_oldest(self) -> None:
        excess = len(self._accounts) - self._open_accounts
        if excess <= 0:
            return
        self._close([entry for entry in self._accounts.values() if not entry.busy][:excess])

    def _sweep(self) -> None:
        """Close what nobody used of late: an idling connection costs no database. Tidy up what is open."""
        self._confirm([entry for entry in self._accounts.values() if entry.database])
        self._tidy([entry for entry in self._accounts.values() if entry.database and not entry.busy])
        before = self.clock.steady() - self._idle_seconds
        self._close([entry for entry in self._accounts.values() if not entry.busy and entry.used < before])
        again = bool(self._accounts)
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(_SWEEP_SECONDS, self._sweep) if again else None

    def _confirm(self, entries: list[_Open]) -> None:
        """Mark what came since as messages, which closing does too."""
        fresh = [entry for entry in entries if entry.database and entry.database.unconfirmed]
        for entry in fresh if not self._broken else ():
            running = self._submit(entry.id, Database.confirm, None)
            running.add_done_callback(asyncio.Future.exception)  # nobody waits for it

    def _tidy(self, entries: list[_Open]) -> None:
        """Remove litter where none was looked for of late; a few accounts at a time."""
        steady = self.clock.steady()
        due = [entry for entry in entries if steady - entry.tidied >= litter.EVERY]
        for entry in due[:_TIDIED_AT_ONCE] if not self._broken else ():
            entry.tidied = steady
            running = self._submit(entry.id, partial(litter.sweep, now=self.clock.now()), None)
            running.add_done_callback(partial(self._tidied, entry))

    def _tidied(self, entry: _Open, running: asyncio.Future[litter.Swept | None]) -> None:
        if error := running.exception():
            self._tell(f"account {entry.id}: message files without a row not looked for: {error}")
            return
        swept = running.result()
        if swept is None:
            entry.tidied = -math.inf  # at the next look
            return
        if swept.removed:
            self._tell(f"account {entry.id}: {swept.removed} message files that no message had are removed")
        if swept.left:
            self._tell(
                f"account {entry.id}: {swept.left} message files that no message has: postroom store verify"
            )

    def _close(self, entries: list[_Open]) -> None:
        for entry in entries:
            entry.busy = True
            self._in_thread(entry, partial(_close, entry), partial(self._closed, entry))

    def _closed(self, entry: _Open, running: asyncio.Future[None]) -> None:
        self._running.discard(running)
        entry.busy = False
        if entry.waiting:
            self._start(entry)
        else:
            del self._accounts[entry.id]


def _nothing(database: Database) -> None:
    """Opening is all that is wanted."""


def _deliver(database: Database, works: list[_Work], remember_since: int) -> None:
    if works:
        outcomes = adding.deliver(database, [work.job for work in works if work.job], remember_since)
        for work, outcome in zip(works, outcomes, strict=True):
            work.result = outcome


def _call(database: Database, work: _Work, call: Callable[[Database], Any]) -> None:
    try:
        work.result = call(database)
    except Exception as error:
        work.error = as_refusal(error)
        if isinstance(work.error, SyncFailed):
            raise


def _close(entry: _Open) -> None:
    database, entry.database = entry.database, None
    if database:
        database.close()


def _outcome(waiter: asyncio.Future[Any]) -> Exception | None:
    error = waiter.exception()
    if error is None:
        outcome: Exception | None = waiter.result()
        return outcome
    if isinstance(error, Exception):
        return error
    raise error


def _stop(text: str) -> None:
    """For callers that gave no way to end the process: the store refuses everything from now on."""
    sys.stderr.write(f"postroom.store: {text}\n")


def _keep_quiet(text: str) -> None:
    """For callers without a log."""


def open_store(  # noqa: PLR0913
    accounts_directory: str,
    notices: Notices,
    clock: Clock,
    *,
    open_accounts: int = 256,
    idle_seconds: float = 300.0,
    remember_deliveries: float = 1_209_600.0,
    busy_seconds: float = 5.0,
    on_fatal: Callable[[str], object] = _stop,
    tell: Callable[[str], object] = _keep_quiet,
) -> SqliteStore:
    """The accounts below a folder, which must exist. Close it with `await store.close()`.

    `notices.send(account_id)` is called after each commit that changed something. `on_fatal` is called with one line
    when fsync failed: the process has to end, since what is on disk is unknown; after it every call raises Unavailable.
    `tell` is called with lines for an operator.
    """
    _allow_open_files(open_accounts)
    return SqliteStore(
        os.path.abspath(accounts_directory),
        notices,
        clock,
        open_accounts=open_accounts,
        idle_seconds=idle_seconds,
        remember_deliveries=remember_deliveries,
        busy_seconds=busy_seconds,
        on_fatal=on_fatal,
        tell=tell,
    )


def _allow_open_files(open_accounts: int) -> None:
    """An open account takes four descriptors and at most three of files that are being read.

    Outside of systemd the usual soft limit is too low for many accounts.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 8 * open_accounts:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
