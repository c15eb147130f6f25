"""What an operator sees and repairs in the mailboxes, whether agents run or not.

These calls block: the operator's command has no event loop.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from postroom.contracts.account import Mailbox, Quota, Status

Progress = Callable[[int, int], None]  # messages looked at, messages in all


class Finding(msgspec.Struct, frozen=True):
    """One problem of an account."""

    account: str
    kind: str
    text: str
    repaired: bool = False


class StoreAdmin(Protocol):
    """The operator's view of all accounts."""

    def accounts(self) -> Sequence[str]:
        """Return the ids of all accounts, sorted. Raises Unavailable."""

    def usage(self, account_id: str) -> Quota | None:
        """Return the octets and messages of an account, limit 0; None for an unknown one. Raises Unavailable."""

    def mailboxes(self, account_id: str) -> Sequence[tuple[Mailbox, Status]] | None:
        """Return the mailboxes that hold messages; None for an unknown account. Raises Unavailable."""

    def verify(self, account_id: str, repair: bool, progress: Progress) -> Iterator[Finding]:
        """Yield all problems of one account, each after its repair if `repair` is set; never raises.

        An unknown or unreadable account is a finding too. A repair loses no message that can be read.
        """
