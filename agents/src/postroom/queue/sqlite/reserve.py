"""Room on the disk that is kept free, so that a queue on a full disk can empty itself.

Finishing a message needs a write. When the disk is full, the relay deletes a file reserved for this, and then the
queue frees the room of its finished messages. Intake refuses mail before the disk is that full.
"""

import errno
import os
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

OCTETS: Final = 4 << 20  # of the file: several times what the largest settling writes
SPARE: Final = 2 * OCTETS  # octets that intake leaves free
_NAME: Final = "relay.reserve"
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
_NO_ROOM_FOR_SQLITE: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
)


def no_room(error: Exception) -> bool:
    """Return whether an error of the operating system or of SQLite means that the disk is full."""
    return (
        getattr(error, "errno", 0) in _NO_ROOM or getattr(error, "sqlite_errorcode", 0) in _NO_ROOM_FOR_SQLITE
    )


def free(descriptor: int) -> int:
    """Return how many octets may still be written to the file system of an open file. Raises OSError."""
    found = os.fstatvfs(descriptor)
    return found.f_bavail * found.f_frsize


class Reserve:
    """One file that takes up room, shared by all relays of the host."""

    def __init__(self, path: str) -> None:
        self._path = path

    def keep(self) -> None:
        """Make the file, unless it exists in full size or there is too little room for it."""
        with suppress(OSError):
            if os.lstat(self._path).st_size >= OCTETS:
                return
            self.give_up()
        with suppress(OSError):
            found = os.statvfs(os.path.dirname(self._path))
            if found.f_bavail * found.f_frsize >= OCTETS + SPARE:
                self._make()

    def _make(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o660)
        try:
            os.posix_fallocate(descriptor, 0, OCTETS)
        except OSError:
            self.give_up()
            raise
        finally:
            os.close(descriptor)

    def give_up(self) -> None:
        """Delete the file, so that the queue can use its room."""
        with suppress(OSError):
            os.unlink(self._path)


def reserves(directories: Iterable[str]) -> dict[str, Reserve]:
    """Return a reserve per directory. Directories on one file system share one, in the first of them."""
    found: dict[str, Reserve] = {}
    by_device: dict[int, Reserve] = {}
    for directory in directories:
        with suppress(OSError):
            device = os.stat(directory).st_dev
            found[directory] = by_device.setdefault(device, Reserve(f"{directory}/{_NAME}"))
    return found
