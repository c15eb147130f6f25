"""Which relays live: each holds a lock on a file of its own, which the kernel drops when it dies."""

import fcntl
import os
from contextlib import suppress
from typing import Final

_SUFFIX: Final = ".owner"


class OwnerFile:
    """The sign that the relay named `token` lives."""

    def __init__(self, directory: str, token: str) -> None:
        """Raises OSError."""
        self._path = f"{directory}/{token}{_SUFFIX}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self._path, flags, 0o660)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """The relay has given back its leases."""
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        os.close(self._descriptor)


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
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
