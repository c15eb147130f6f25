"""Shows which relays are alive: each locks a file of its own, and the kernel drops the lock when the process dies.

A lease does not end while its owner lives, even if somebody has set the clock. The service manager's watchdog
ends a relay that hangs.
"""

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_SUFFIX: Final = ".owner"
_BELIEVED: Final = 1.0  # seconds for which an owner seen alive is not checked again


class OwnerFile:
    """Shows that the relay named `token` lives."""

    def __init__(self, directory: str, token: str) -> None:
        """Make the file and lock it. Raises OSError."""
        self._path = f"{directory}/{token}{_SUFFIX}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        unfinished = f"{self._path}.new"
        self._descriptor = os.open(unfinished, flags, 0o660)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(unfinished, self._path)  # so nobody sees the file before it is locked

    def close(self) -> None:
        """Remove the file: the relay has given back its leases."""
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        os.close(self._descriptor)


class Owners:
    """Tells which owners live. Their files may be in any of `directories`; `steady` is a clock in seconds."""

    def __init__(self, *directories: str, steady: Callable[[], float] = time.monotonic) -> None:
        self._directories = directories
        self._steady = steady
        self._seen: dict[str, float] = {}

    def alive(self, token: str) -> bool:
        """Return whether the owner lives; an unknown one does not."""
        now = self._steady()
        if now - self._seen.get(token, float("-inf")) < _BELIEVED:
            return True
        found = any(_locked(f"{directory}/{token}{_SUFFIX}") for directory in self._directories)
        if found:
            self._seen[token] = now
        else:
            self._seen.pop(token, None)
        return found


def owners_beside(spool: str) -> Owners:
    """Return the owners of all relays of the host, found from a spool file. Raises OSError."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(spool)))
    with os.scandir(root) as found:
        return Owners(*(entry.path for entry in found if entry.is_dir()))


def dead_owners(directory: str) -> list[str]:
    """Return the tokens of relays that ended without giving back their leases. Raises OSError."""
    return [
        name.removesuffix(_SUFFIX)
        for name in os.listdir(directory)
        if name.endswith(_SUFFIX) and not _locked(f"{directory}/{name}")
    ]


def forget_owner(directory: str, token: str) -> None:
    """Remove the file of an owner that has no leases left."""
    with suppress(FileNotFoundError):
        os.unlink(f"{directory}/{token}{_SUFFIX}")


def _locked(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
