"""The record of full accounts in a folder of this host: a file per account id with the octets that did not fit.

Both sides implement contracts.fullness. Without the folder nobody is full.
"""

import contextlib
import os
import time
from collections.abc import Callable, Collection
from typing import Final

LOOK_EVERY: Final = 1.0  # seconds; a look for each recipient would cost more than the rest of RCPT


class FullAccountsFolder:
    """The mta's side, which looks into the folder at most once a second."""

    def __init__(self, directory: str, steady: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._steady = steady
        self._looked = float("-inf")
        self._full: frozenset[str] = frozenset()

    async def full_among(self, accounts: Collection[str]) -> frozenset[str]:
        """Return those of the accounts that have no room for a message of ordinary size."""
        now = self._steady()
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            self._full = frozenset(_names(self._directory))
        return self._full.intersection(accounts)


class FullnessFolder:
    """The mda's side, which reads the folder when it starts and keeps it true from then on."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._needed = {account_id: self._read(account_id) for account_id in _names(directory)}

    async def recorded(self) -> tuple[str, ...]:
        """Return the ids of all accounts that are recorded as full."""
        return tuple(self._needed)

    async def needed(self, account_id: str) -> int:
        """Return the size in octets of the message that did not fit, 0 when the account is not recorded."""
        return self._needed.get(account_id, 0)

    async def record(self, account_id: str, needed: int) -> None:
        """Record that a message of so many octets did not fit."""
        self._needed[account_id] = max(needed, 1)
        self._write(account_id, needed)

    async def clear(self, account_id: str) -> None:
        """Record that there is room again."""
        self._needed.pop(account_id, None)
        with contextlib.suppress(OSError):
            os.unlink(self._path(account_id))

    def _write(self, account_id: str, needed: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(OSError), open(os.open(self._path(account_id), flags, 0o644), "wb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(b"%d\n" % needed)

    def _path(self, account_id: str) -> str:
        return os.path.join(self._directory, account_id)

    def _read(self, account_id: str) -> int:
        with contextlib.suppress(OSError, ValueError), open(self._path(account_id), "rb") as flag:
            return max(int(flag.read(20)), 1)
        return 1


def _names(directory: str) -> list[str]:
    with contextlib.suppress(OSError):
        return os.listdir(directory)
    return []
