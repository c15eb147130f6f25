"""Open accounts that nobody uses: which are closed, marked and tidied, and when."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Protocol

from postroom.contracts.clock import Clock
from postroom.store.sqlite import litter
from postroom.store.sqlite.database import Database
from postroom.store.sqlite.work import OpenAccount

SWEEP_SECONDS: Final = 30.0  # between looks for accounts at rest
_TIDIED_AT_ONCE: Final = 4  # accounts


class Submit(Protocol):
    """Run a call on an account's database in a thread."""

    def __call__(
        self, account_id: str, call: Callable[[Database], Any], job: None
    ) -> asyncio.Future[Any]: ...


class Housekeeper:
    """Looks after the open accounts every SWEEP_SECONDS, as long as there are any."""

    def __init__(  # noqa: PLR0913
        self,
        accounts: "OrderedDict[str, OpenAccount]",
        clock: Clock,
        *,
        open_accounts: int,
        idle_seconds: float,
        submit: Submit,
        close: Callable[[list[OpenAccount]], None],
        warn: Callable[[str], object],
    ) -> None:
        self._accounts = accounts
        self._clock = clock
        self._open_accounts = open_accounts
        self._idle_seconds = idle_seconds
        self._submit = submit
        self._close = close
        self._warn = warn
        self._timer: asyncio.TimerHandle | None = None
        self.stopped = False  # after a disk error: accounts are closed, but nothing is written

    def wake(self) -> None:
        """Begin to look after accounts, if that is not under way. Cheap."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self.sweep)

    def stop(self) -> None:
        """End all looks."""
        if self._timer:
            self._timer.cancel()

    def close_oldest(self) -> None:
        """Close the least recently used accounts when too many are open."""
        excess = len(self._accounts) - self._open_accounts
        if excess > 0:
            self._close([entry for entry in self._accounts.values() if not entry.busy][:excess])

    def sweep(self) -> None:
        """Close accounts that were not used for a while, since an idling session needs no database; tidy the others."""
        self._confirm(entry for entry in self._accounts.values() if entry.database)
        self._tidy([entry for entry in self._accounts.values() if entry.database and not entry.busy])
        before = self._clock.steady() - self._idle_seconds
        self._close([entry for entry in self._accounts.values() if not entry.busy and entry.used < before])
        self._timer = None
        if self._accounts:
            self.wake()

    def _confirm(self, entries: Iterable[OpenAccount]) -> None:
        """Mark new files as messages, as closing does too."""
        fresh = [entry for entry in entries if entry.database and entry.database.unconfirmed]
        for entry in fresh if not self.stopped else ():
            running = self._submit(entry.id, Database.confirm, None)
            running.add_done_callback(asyncio.Future.exception)  # nobody waits for it

    def _tidy(self, entries: list[OpenAccount]) -> None:
        """Remove litter from a few accounts whose last look is long ago."""
        steady = self._clock.steady()
        due = [entry for entry in entries if steady - entry.tidied >= litter.EVERY]
        for entry in due[:_TIDIED_AT_ONCE] if not self.stopped else ():
            entry.tidied = steady
            running = self._submit(entry.id, partial(litter.sweep, now=self._clock.now()), None)
            running.add_done_callback(partial(self._tidied, entry))

    def _tidied(self, entry: OpenAccount, running: asyncio.Future[litter.Swept | None]) -> None:
        if error := running.exception():
            self._warn(f"account {entry.id}: message files without a row not looked for: {error}")
            return
        swept = running.result()
        if swept is None:
            entry.tidied = -math.inf  # try again at the next look
            return
        if swept.removed:
            self._warn(f"account {entry.id}: {swept.removed} message files that no message had are removed")
        if swept.left:
            self._warn(
                f"account {entry.id}: {swept.left} message files that no message has: postroom store verify"
            )
