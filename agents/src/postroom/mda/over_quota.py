"""Flags by which the mta knows that an account is full: one file per account id in a folder.

A flag holds the octets that did not fit. It goes as soon as so much fits again.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Final

from postroom.contracts.account import Quota

ORDINARY: Final = (
    1 << 20
)  # a refused message up to this size means: full; a larger one says nothing about others


def is_full(quota: Quota, needed: int) -> bool:
    """Whether a message of ordinary size cannot be taken. `needed`: octets of the one that was refused."""
    return quota.limit > 0 and quota.used + min(needed, ORDINARY) > quota.limit


class OverQuotaFlags:
    """The folder of flags. Never fails: without flags the mda still refuses, only later."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._raised: dict[str, int] = {}
        for account_id in self._names():
            self._raised[account_id] = self._needed(account_id)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._raised))

    def __contains__(self, account_id: str) -> bool:
        return account_id in self._raised

    def needed(self, account_id: str) -> int:
        """Octets that did not fit."""
        return self._raised.get(account_id, 0)

    def put_up(self, account_id: str, needed: int) -> None:
        """Tell the mta that the account is full."""
        self._raised[account_id] = needed
        with contextlib.suppress(OSError):
            descriptor = os.open(
                self._path(account_id),
                os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC,
                0o644,
            )
            with open(descriptor, "wb") as flag:
                os.fchmod(descriptor, 0o644)
                flag.write(b"%d\n" % needed)

    def take_down(self, account_id: str) -> None:
        """There is room again."""
        self._raised.pop(account_id, None)
        with contextlib.suppress(OSError):
            os.unlink(self._path(account_id))

    def _path(self, account_id: str) -> str:
        return os.path.join(self._directory, account_id)

    def _names(self) -> list[str]:
        with contextlib.suppress(OSError):
            return os.listdir(self._directory)
        return []

    def _needed(self, account_id: str) -> int:
        with contextlib.suppress(OSError, ValueError), open(self._path(account_id), "rb") as flag:
            return int(flag.read(20))
        return 0
