"""The exclusive maildrop of POP3, between processes and within one. RFC 1939 section 4.

`flock` belongs to the open file: the kernel ends it with the process, whatever happens to it.
"""

import fcntl
import os

from postroom.contracts.errors import MailboxInUse, Unavailable
from postroom.store.blobs import files


class MaildropLocks:
    """The locks that this process holds, by account folder."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, int]] = {}

    def take(self, path: str, owner: str) -> None:
        """Raises MailboxInUse; a second call of the same owner is fine."""
        held = self._held.get(path)
        if held is not None:
            if held[0] != owner:
                raise MailboxInUse("maildrop is locked")
            return
        descriptor = _open(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise MailboxInUse("maildrop is locked") from error
        self._held[path] = owner, descriptor

    def give_back(self, path: str, owner: str) -> None:
        """Unlock; nothing happens when another owner holds it."""
        held = self._held.get(path)
        if held is not None and held[0] == owner:
            del self._held[path]
            os.close(held[1])

    def close(self) -> None:
        for _, descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()


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
