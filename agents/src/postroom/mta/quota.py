"""Flags of full mailboxes: empty files named by account id, which the mda makes and removes."""

import os
from collections.abc import Sequence


class OverQuotaFlags:
    """Reads the flags. A missing directory means that nobody is over quota."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def full(self, account: str) -> bool:
        """Whether the account's mailbox is full."""
        return bool(account) and "/" not in account and os.path.exists(f"{self._directory}/{account}")

    def all_full(self, accounts: Sequence[str], destinations: int) -> bool:
        """Whether no destination is left that could take the mail."""
        return bool(accounts) and len(accounts) == destinations and all(map(self.full, accounts))
