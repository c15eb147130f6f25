"""Which relays live: each holds a lock on a file of its own, which the kernel drops when it dies.

A lease whose owner lives is not over, whatever the clock says that somebody has set. One that hangs is ended by
the service manager's watchdog.
"""

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_SUFFIX: Final = ".owner"
_BELIEVED: Final = 1.0  # seconds for which an owner seen alive is not looked at again


class OwnerFile:
    """The sign that the relay named `token` lives."""

    def __init__(self, directory: str, token: str) -> None:
        """Raises OSError."""
        self._path = f"{directory}/{token}{_SUFFIX}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        unfinished = f"{self._path}.new"
        self._descriptor = os.open(unfinished, flags, 0o660)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(unfinished, self._path)  # nobody sees it without its lock

    def close(self) -> None:
        """The relay has given back its leases."""
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        os.close(self._descriptor)


class Owners:
    """Asks which owners live. `directories`: where they may have their files; `steady`: a clock in seconds."""

    def __init__(self, *directories: str, steady: Callable[[], float] = time.monotonic) -> None:
        self._directories = directories
        self._steady = steady
        self._seen: dict[str, float] = {}

    def alive(self, token: str) -> bool:
        """Whether the owner lives; one of which nothing is known does not."""
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
    """The owners of all relays of the host, seen from a spool file. Raises OSError."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(spool)))
    with os.scandir(root) as found:
        return Owners(*(entry.path for entry in found if entry.is_dir()))


def dead_owners(directory: str) -> list[str]:
    """Tokens of relays that ended without giving back their leases. Raises OSError."""
    return [
        name.removesuffix(_SUFFIX)
        for name in os.listdir(directory)
        if name.endswith(_SUFFIX) and not _locked(f"{directory}/{name}")
    ]


def forget_owner(directory: str, token: str) -> None:
    """Nothing is leased to this owner any more."""
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
