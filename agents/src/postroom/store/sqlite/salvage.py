"""A new database for an account whose old one cannot be read: every message file becomes a message again."""

import os
import stat
from contextlib import closing, suppress
from typing import Final

from postroom.contracts.errors import MailboxExists
from postroom.store.blobs import files
from postroom.store.sqlite import adding, mailboxes
from postroom.store.sqlite.database import Database

MAILBOX: Final = "Recovered"


def rebuild(path: str, now: int, busy_seconds: float) -> int:
    """Rebuild the database; return how many messages were kept.

    The old database stays beside the new one as `account.db.damaged-<time>`.

    Not to be run while agents have the account open. Raises OSError, sqlite3.Error.
    """
    for ending in ("", "-wal", "-shm"):
        old = os.path.join(path, files.DATABASE + ending)
        if os.path.lexists(old):
            os.rename(old, f"{old}.damaged-{now}")
    with closing(Database(path, now, busy_seconds)) as database:
        mailboxes.create(database, MAILBOX, "", now)
        return sum(_recover(database, name) for name in sorted(os.listdir(database.folder.descriptor)))


def rescue(database: Database, name: str, now: int) -> None:
    """Turn a file without a row into a message again; nobody else may use the folder. Raises OSError."""
    with suppress(MailboxExists):
        mailboxes.create(database, MAILBOX, "", now)
    _recover(database, name)


def _recover(database: Database, name: str) -> bool:
    status = os.stat(name, dir_fd=database.folder.descriptor, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        return False
    adding.adopt(database, MAILBOX, database.folder.read(name), int(status.st_mtime), name)
    return True
