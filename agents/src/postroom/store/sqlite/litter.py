"""Message files without a row, left by a process that was killed between writing a file and its commit.

Room rule: a file is removed only when no row names it, no process is delivering (each locks the folder meanwhile), it
is old, no commit has ever named it, and it is younger than the database: beside a recreated or restored
database, files without rows are mail to be rescued. Such files are reported and left to the operator, and so are many
at once, which no crash leaves.
"""

import contextlib
import os
import stat
from typing import Final, NamedTuple

from postroom.mail.ids import is_queue_id, queue_id
from postroom.store.blobs import files
from postroom.store.names import INBOX
from postroom.store.sqlite.database import Database

AGE: Final = 3600.0  # seconds; no delivery takes so long
EVERY: Final = 86_400.0  # seconds between two looks at an account, whichever process looks
MOST: Final = 100  # files that are removed at a time
_LOOKED_AT: Final = 100_000  # names held in memory
_MARK: Final = "swept"  # its time of change says when the last look was


class Swept(NamedTuple):
    """The result of a look at an account."""

    removed: int = 0
    left: int = 0  # were messages once, or are too many to be a crash's


def sweep(database: Database, now: float) -> Swept | None:
    """Remove the litter of an account if a look is due; return None when a delivery is in flight: try again.

    `now` in seconds since 1970. Raises OSError, sqlite3.Error.
    """
    last = _last_look(database.path)
    if 0 <= now - last < EVERY:
        return Swept()
    # Check the files now that were too young last time.
    names = _names(database, max(_born(database), last - 2 * AGE), now - AGE)
    _strike_out(database, names)
    if len(names) > MOST:
        _mark(database.path)
        return Swept(left=len(names))
    if names:
        with database.folder.undisturbed() as alone:
            if not alone:
                return None
            _strike_out(database, names)  # what was committed since
            mail = {name for name in names if _was_message(database, name)}
            removed = sum(_remove(database, name, now) for name in names - mail)
        _mark(database.path)
        return Swept(removed, len(mail))
    _mark(database.path)
    return Swept()


def _born(database: Database) -> float:
    """Return when the database was made, which is the UIDVALIDITY of INBOX, as INBOX cannot be deleted."""
    row = database.sql.execute("SELECT uidvalidity FROM mailboxes WHERE name = ?", (INBOX,)).fetchone()
    return float(row[0]) if row else float("inf")


def _names(database: Database, start: float, end: float) -> set[str]:
    """Return the files whose names were made between two times."""
    if start >= end:
        return set()
    first, last = _bound(start, b"\0"), _bound(end, b"\xff")
    names: set[str] = set()
    with os.scandir(database.folder.descriptor) as found:
        for entry in found:
            name = entry.name
            if first <= name <= last and is_queue_id(name):
                names.add(name)
                if len(names) >= _LOOKED_AT:
                    break
    return names


def _bound(time: float, noise: bytes) -> str:
    return queue_id(max(int(time * 1000), 0), noise * 10)


def _strike_out(database: Database, names: set[str]) -> None:
    """Remove from `names` all that rows name; the newest rows come first, so a few are usually enough."""
    if not names:
        return
    with contextlib.closing(database.sql.execute("SELECT file FROM contents ORDER BY id DESC")) as rows:
        for (file,) in rows:
            names.discard(file)
            if not names:
                return


def _was_message(database: Database, name: str) -> bool:
    """Tell whether a commit has named the file; a database that does not know it was restored from a backup."""
    try:
        return files.was_message(os.stat(name, dir_fd=database.folder.descriptor, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _remove(database: Database, name: str, now: float) -> bool:
    folder = database.folder.descriptor
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(status.st_mode) or now - status.st_mtime < AGE:
        return False
    database.folder.remove(name)
    return True


def _last_look(path: str) -> float:
    try:
        return os.stat(os.path.join(path, _MARK), follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return 0.0


def _mark(path: str) -> None:
    folder = os.open(path, files.FOLDER)
    try:
        files.make_file(_MARK, folder)
        os.utime(_MARK, dir_fd=folder, follow_symlinks=False)
    finally:
        os.close(folder)
