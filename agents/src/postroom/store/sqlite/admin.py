"""The operator's view of accounts on disk: see contracts.storeadmin."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final, TypeVar

from postroom.contracts.account import Mailbox, Quota, Status
from postroom.contracts.errors import MailError, Unavailable
from postroom.contracts.storeadmin import Finding, Progress
from postroom.store.blobs import files
from postroom.store.names import account_folder
from postroom.store.sqlite import mailboxes, verify
from postroom.store.sqlite.database import Database, as_refusal

_BUSY_SECONDS: Final = 10.0
T = TypeVar("T")


class SqliteStoreAdmin:
    """Opens one account at a time, beside the agents that work."""

    def __init__(self, directory: str, now: Callable[[], float]) -> None:
        self._directory = directory
        self._now = now

    def accounts(self) -> list[str]:
        """See StoreAdmin."""
        try:
            return verify.accounts(self._directory)
        except OSError as error:
            raise Unavailable(f"{self._directory}: {error.strerror}") from error

    def usage(self, account_id: str) -> Quota | None:
        """See StoreAdmin."""
        return self._read(account_id, lambda database: mailboxes.quota(database, 0))

    def mailboxes(self, account_id: str) -> list[tuple[Mailbox, Status]] | None:
        """See StoreAdmin."""
        return self._read(account_id, _with_status)

    def verify(self, account_id: str, repair: bool, progress: Progress) -> Iterator[Finding]:
        """See StoreAdmin."""
        return verify.verify(self._directory, account_id, repair, progress)

    def _read(self, account_id: str, call: Callable[[Database], T]) -> T | None:
        path = os.path.join(self._directory, account_folder(account_id))
        try:
            if not files.is_account(path):
                return None
            with closing(Database(path, int(self._now()), _BUSY_SECONDS)) as database:
                return database.carry_out(call)
        except (OSError, sqlite3.Error, MailError, files.SyncFailed) as error:
            raise Unavailable(str(as_refusal(error))) from error


def _with_status(database: Database) -> list[tuple[Mailbox, Status]]:
    return [
        (box, mailboxes.status(database, box.name))
        for box in mailboxes.all_mailboxes(database)
        if box.selectable
    ]
