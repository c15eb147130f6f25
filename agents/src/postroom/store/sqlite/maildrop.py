"""The exclusive maildrop of POP3, across processes and within one. RFC 1939 section 4.

`flock` belongs to the open file: the kernel releases it when the process ends, however that happens.
"""

import asyncio
import fcntl
import os
import threading

from postroom.contracts.errors import MailboxInUse, Unavailable
from postroom.store.blobs import files


class MaildropLocks:
    """The locks that this process holds, by account folder. Taken in threads, given back anywhere."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._guard = threading.Lock()

    def take(self, path: str) -> None:
        """Lock an account's maildrop. Raises MailboxInUse at once when somebody holds it, Unavailable."""
        descriptor = _open(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise MailboxInUse("maildrop is locked") from error
        with self._guard:
            self._held[path] = descriptor

    def give_back(self, path: str) -> None:
        """Unlock a maildrop."""
        with self._guard:
            descriptor = self._held.pop(path, None)
        if descriptor is not None:
            os.close(descriptor)

    def give_back_unwanted(self, path: str, taking: asyncio.Future[None]) -> None:
        """Unlock a maildrop whose session left before it was locked."""
        if not taking.cancelled() and taking.exception() is None:
            self.give_back(path)

    def close(self) -> None:
        """Unlock all."""
        for path in tuple(self._held):
            self.give_back(path)


def _open(path: str) -> int:
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            files.make_file(files.MAILDROP_LOCK, folder)
            return os.open(files.MAILDROP_LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Unavailable(f"maildrop lock: {error.strerror}") from error
