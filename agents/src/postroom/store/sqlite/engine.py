"""The store on SQLite rows and message files: which accounts are open, and which thread works on them.

One thread at a time works on an account. Calls that arrive meanwhile are made together, and all waiting deliveries go
into one commit. Accounts are served in parallel, because fsync releases the GIL. Small reads of an account that is not
in use are answered at once, without a thread. When too many accounts are open, the least recently used are closed.
"""

import asyncio
import os
import resource
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from postroom.contracts.clock import Clock
from postroom.contracts.errors import MailError, Unavailable
from postroom.contracts.store import Delivery, Quotas
from postroom.mail.ids import queue_id
from postroom.store.blobs.files import SyncFailed
from postroom.store.names import account_folder
from postroom.store.sqlite import adding
from postroom.store.sqlite.account import SqliteAccount
from postroom.store.sqlite.database import Database
from postroom.store.sqlite.maildrop import MaildropLocks
from postroom.store.sqlite.news import Notices
from postroom.store.sqlite.resting import Housekeeper
from postroom.store.sqlite.work import OpenAccount, Work, carry_out, outcome_of

T = TypeVar("T")
_THREADS: Final = 4


class NoQuotas:
    """For callers that limit nothing."""

    async def limit(self, account_id: str) -> int:
        """Return 0, which means no limit."""
        return 0


class SqliteStore:
    """All accounts below one folder; implements contracts.store.Store. Used from one event loop."""

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
        quotas: Quotas,
        on_fatal: Callable[[str], object],
        warn: Callable[[str], object],
    ) -> None:
        self._directory = directory
        self._notices = notices
        self.quotas = quotas
        self.clock = clock
        self._remember = remember_deliveries
        self._busy_seconds = busy_seconds
        self._on_fatal = on_fatal
        self._broken = False
        self._accounts: OrderedDict[str, OpenAccount] = OrderedDict()
        self._running: set[asyncio.Future[None]] = set()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")
        self.maildrops = MaildropLocks()
        self._housekeeper = Housekeeper(
            self._accounts,
            clock,
            open_accounts=open_accounts,
            idle_seconds=idle_seconds,
            submit=self._submit,
            close=self._close,
            warn=warn,
        )

    async def account(self, account_id: str, person: str) -> SqliteAccount:
        """Open an account as a person, and make it when it is new. Raises Unavailable."""
        path = self.path(account_id)
        entry = self._accounts.get(account_id)
        if entry is None or entry.database is None:
            await self.run(account_id, _nothing)
        return SqliteAccount(self, account_id, path, person)

    async def deliver(self, deliveries: Sequence[Delivery]) -> tuple[Exception | None, ...]:
        """See contracts.store.Store."""
        shared: dict[int, adding.Octets] = {}
        limits: dict[str, int] = {}
        waiters: list[asyncio.Future[Any] | MailError] = []
        for delivery in deliveries:
            octets = shared.get(id(delivery.content))
            if octets is None:
                octets = shared[id(delivery.content)] = adding.Octets(delivery.content)
            try:
                self.path(delivery.account)
                limit = limits.get(delivery.account)
                if limit is None:
                    limit = limits[delivery.account] = await self.quotas.limit(delivery.account)
                job = adding.Job(delivery, octets, self.new_name(), limit)
                waiters.append(self._submit(delivery.account, None, job))
            except MailError as refusal:
                waiters.append(refusal)
        pending = [waiter for waiter in waiters if not isinstance(waiter, MailError)]
        if len(pending) == 1:
            await asyncio.wait(pending)
        elif pending:
            await asyncio.gather(*pending, return_exceptions=True)
        return tuple(waiter if isinstance(waiter, MailError) else outcome_of(waiter) for waiter in waiters)

    def watch(self, account_id: str, callback: Callable[[], None]) -> None:
        """See contracts.store.Store."""
        try:
            self._notices.watch(account_id, callback)
        except OSError as error:
            raise Unavailable(f"news of mailboxes: {error.strerror}") from error

    def unwatch(self, account_id: str, callback: Callable[[], None]) -> None:
        """See contracts.store.Store."""
        self._notices.unwatch(account_id, callback)

    def path(self, account_id: str) -> str:
        """Return the account's folder. Raises Unavailable for an id that is not valid."""
        return f"{self._directory}/{account_folder(account_id)}"

    def new_name(self) -> str:
        """Return a name that no message file ever had."""
        return queue_id(int(self.clock.now() * 1000), os.urandom(10))

    def in_thread(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Make a call that blocks but needs no database."""
        return asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def run(self, account_id: str, call: Callable[[Database], T]) -> T:
        """Make a call in a thread and return its result. Raises MailError."""
        result: T = await self._submit(account_id, call, None)
        return result

    def at_once(self, account_id: str) -> Database | None:
        """Return the database when it is open and not in use, for small reads in the event loop's thread; else None."""
        entry = self._accounts.get(account_id)
        if entry is None or entry.busy or self._broken:
            return None
        self._accounts.move_to_end(account_id)
        entry.used = self.clock.steady()
        return entry.database

    async def close(self) -> None:
        """Finish all calls and close all databases."""
        self._housekeeper.stop()
        while any(entry.busy for entry in self._accounts.values()):
            if self._running:
                await asyncio.wait(self._running)
            await asyncio.sleep(0)
        for entry in self._accounts.values():
            if entry.database:
                await asyncio.get_running_loop().run_in_executor(self._threads, entry.database.close)
        self._accounts.clear()
        self.maildrops.close()
        self._notices.close()
        self._threads.shutdown()

    def _submit(
        self, account_id: str, call: Callable[[Database], Any] | None, job: adding.Job | None
    ) -> asyncio.Future[Any]:
        if self._broken:
            raise Unavailable("mailbox store has stopped after a disk error")
        entry = self._accounts.get(account_id)
        if entry is None:
            self.path(account_id)
            entry = self._accounts[account_id] = OpenAccount(account_id)
        else:
            self._accounts.move_to_end(account_id)
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        entry.waiting.append(Work(waiter, call, job))
        entry.used = self.clock.steady()
        self._housekeeper.wake()
        if not entry.busy:
            entry.busy = True
            # Later, together with what else arrives in this turn of the loop.
            asyncio.get_running_loop().call_soon(self._start, entry)
        return waiter

    def _start(self, entry: OpenAccount) -> None:
        works, entry.waiting = entry.waiting, []
        entry.busy = True
        self._in_thread(entry, partial(self._work, entry, works), partial(self._done, entry, works))

    def _in_thread(
        self, entry: OpenAccount, work: Callable[[], None], done: Callable[[asyncio.Future[None]], None]
    ) -> None:
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        self._running.add(running)
        running.add_done_callback(done)

    def _work(self, entry: OpenAccount, works: list[Work]) -> None:
        """Run in a thread."""
        carry_out(entry, works, self.path(entry.id), self.clock.now(), self._remember, self._busy_seconds)

    def _done(self, entry: OpenAccount, works: list[Work], running: asyncio.Future[None]) -> None:
        self._running.discard(running)
        entry.busy = False
        database = entry.database
        if database and database.dirty:
            database.dirty = False
            self._notices.send(entry.id)
        for work in works:
            if isinstance(work.error, SyncFailed):
                self._broken = self._housekeeper.stopped = True
                self._on_fatal(f"accounts/{entry.id}: {work.error}")
                work.error = Unavailable("disk error")
            if work.waiter.done():
                continue  # the caller was cancelled
            if work.error:
                work.waiter.set_exception(work.error)
            else:
                work.waiter.set_result(work.result)
        if entry.waiting:
            self._start(entry)
        elif database is None:
            del self._accounts[entry.id]
        self._housekeeper.close_oldest()

    def _close(self, entries: list[OpenAccount]) -> None:
        for entry in entries:
            entry.busy = True
            self._in_thread(entry, entry.close, partial(self._closed, entry))

    def _closed(self, entry: OpenAccount, running: asyncio.Future[None]) -> None:
        self._running.discard(running)
        entry.busy = False
        if entry.waiting:
            self._start(entry)
        else:
            del self._accounts[entry.id]


def _nothing(database: Database) -> None:
    """Do nothing: the caller wants the account opened."""


def _stop(text: str) -> None:
    """Report a disk error for callers that cannot end the process; from now on the store refuses everything."""
    sys.stderr.write(f"postroom.store: {text}\n")


def _keep_quiet(text: str) -> None:
    """Drop the line, for callers without a log."""


def open_store(  # noqa: PLR0913
    accounts_directory: str,
    notices: Notices,
    clock: Clock,
    *,
    open_accounts: int = 256,
    idle_seconds: float = 300.0,
    remember_deliveries: float = 1_209_600.0,
    busy_seconds: float = 5.0,
    quotas: Quotas | None = None,
    on_fatal: Callable[[str], object] = _stop,
    warn: Callable[[str], object] = _keep_quiet,
) -> SqliteStore:
    """Open the accounts below a folder, which must exist. Close the store with `await store.close()`.

    `notices.send(account_id)` is called after each commit that changed something; the store closes `notices`. Without
    `quotas` nothing is limited. `on_fatal` is called with one line when fsync has failed: the process has to end, since
    what is on disk is unknown, and from then on every call raises Unavailable. `warn` is called with lines for an
    operator. Times are in seconds.
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
        quotas=quotas or NoQuotas(),
        on_fatal=on_fatal,
        warn=warn,
    )


def _allow_open_files(open_accounts: int) -> None:
    """Raise the limit of open files: an account takes four, and up to three for messages that are being read.

    The usual soft limit outside systemd is too low for many accounts.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 8 * open_accounts:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
