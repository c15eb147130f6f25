"""Flags of full mailboxes: empty files named by account id, which the mda makes and removes."""

import os
import time
from collections.abc import Callable, Sequence
from typing import Final

LOOK_EVERY: Final = 1.0  # seconds; a look per recipient would cost more than all else that RCPT needs


class OverQuotaFlags:
    """Reads the flags. A missing directory means that nobody is over quota."""

    def __init__(self, directory: str, steady: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._steady = steady
        self._looked = float("-inf")
        self._full: frozenset[str] = frozenset()

    def all_full(self, accounts: Sequence[str], destinations: int) -> bool:
        """Whether no destination is left that could take the mail."""
        self._look()
        return bool(accounts) and len(accounts) == destinations and self._full.issuperset(accounts)

    def _look(self) -> None:
        now = self._steady()
        if now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        try:
            self._full = frozenset(os.listdir(self._directory))
        except OSError:
            self._full = frozenset()
