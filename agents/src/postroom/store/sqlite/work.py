"""What a thread does for one account: every call that waits, and all waiting deliveries in one commit."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

from postroom.store.blobs.files import SyncFailed
from postroom.store.sqlite import adding
from postroom.store.sqlite.database import Database, as_refusal


class Work:
    """One call or one delivery, and the future that its caller waits for."""

    __slots__ = ("call", "error", "job", "result", "waiter")

    def __init__(
        self, waiter: asyncio.Future[Any], call: Callable[[Database], Any] | None, job: adding.Job | None
    ) -> None:
        self.waiter, self.call, self.job = waiter, call, job
        self.result: Any = None
        self.error: Exception | None = None


class OpenAccount:
    """An account that is in use, or was until recently."""

    __slots__ = ("busy", "database", "id", "tidied", "used", "waiting")

    def __init__(self, account_id: str) -> None:
        self.id = account_id
        self.database: Database | None = None
        self.waiting: list[Work] = []
        self.busy = False
        self.used = 0.0  # steady seconds
        self.tidied = -math.inf  # steady seconds

    def close(self) -> None:
        """Close the database. Called in a thread."""
        database, self.database = self.database, None
        if database:
            database.close()


def carry_out(  # noqa: PLR0913, PLR0917
    entry: OpenAccount, works: list[Work], path: str, now: float, remember: float, busy_seconds: float
) -> None:
    """Give every work its result or its error. Called in a thread; `now` in seconds since 1970."""
    try:
        database = entry.database
        if database is None:
            database = entry.database = Database(path, int(now), busy_seconds)
        _deliver(database, [work for work in works if work.job], int(now), int(now - remember))
        for work in works:
            if work.call:
                _call(database, work, work.call)
    except Exception as error:
        refusal = as_refusal(error, f"account {entry.id}: ")
        for work in works:
            work.error = work.error or refusal


def _deliver(database: Database, works: list[Work], now: int, remember_since: int) -> None:
    if works:
        outcomes = adding.deliver(database, [work.job for work in works if work.job], now, remember_since)
        for work, outcome in zip(works, outcomes, strict=True):
            work.result = outcome


def _call(database: Database, work: Work, call: Callable[[Database], Any]) -> None:
    try:
        work.result = database.carry_out(call)
    except Exception as error:
        work.error = as_refusal(error)
        if isinstance(work.error, SyncFailed):
            raise


def outcome_of(waiter: asyncio.Future[Any]) -> Exception | None:
    """Return what became of a delivery: None, or why it was refused."""
    error = waiter.exception()
    if error is None:
        outcome: Exception | None = waiter.result()
        return outcome
    if isinstance(error, Exception):
        return error
    raise error
