"""Which accounts are full: the mda records it, and the mta asks before it accepts mail for them.

The answer may be some seconds old. An account that is full without being recorded is refused by the mda instead, and
its sender gets a report.
"""

from collections.abc import Collection
from typing import Protocol


class FullAccounts(Protocol):
    """The mta's side."""

    async def full_among(self, accounts: Collection[str]) -> frozenset[str]:
        """Return those of the accounts that have no room for a message of ordinary size. Never fails."""


class FullnessRecord(Protocol):
    """The mda's side. Nothing of it fails: without a record the mda still refuses, only later."""

    async def recorded(self) -> tuple[str, ...]:
        """Return the ids of all accounts that are recorded as full."""

    async def needed(self, account_id: str) -> int:
        """Return the size in octets of the message that did not fit, 0 when the account is not recorded."""

    async def record(self, account_id: str, needed: int) -> None:
        """Record that a message of so many octets did not fit."""

    async def clear(self, account_id: str) -> None:
        """Record that there is room again."""
