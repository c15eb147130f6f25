"""All mailboxes as a whole: opening an account, and delivering to many of them at once. See contracts.account."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from postroom.contracts.account import MailAccount


class Copy(msgspec.Struct, frozen=True):
    """One mailbox that a delivery files its message in."""

    mailbox: str = "INBOX"  # INBOX is used when it does not exist
    flags: frozenset[str] = frozenset()
    create: bool = False  # make the mailbox when it does not exist; INBOX is used for a name that cannot be


class Delivery(msgspec.Struct, frozen=True):
    """One message for one recipient, as the mda hands it over: known by (queue id, recipient), with all its copies."""

    account: str
    queue_id: str
    recipient: str
    prefix: bytes  # Return-Path and Delivered-To, served in front of the content
    content: bytes
    arrived: int  # seconds since 1970, brought into the range of mail.dates
    copies: tuple[Copy, ...] = (Copy(),)  # at least one; those that end up in one mailbox are filed once


class Quotas(Protocol):
    """How much each account may hold."""

    async def limit(self, account_id: str) -> int:
        """Return the account's limit in octets, 0 for no limit. Raises Unavailable."""


class Store(Protocol):
    """All accounts that this host serves. Limits are asked from `Quotas` whenever something is added."""

    async def account(self, account_id: str, person: str) -> MailAccount:
        """Open an account as a person, and make it with its first mailboxes when it is new. Raises Unavailable.

        The first mailboxes are INBOX, Drafts, Sent, Junk, Trash and Archive. Today an account has one person, whose
        name is the account's id; `\\Seen`, `\\Recent` and subscriptions belong to the person.
        """

    async def deliver(self, deliveries: Sequence[Delivery]) -> tuple[Exception | None, ...]:
        """Deliver each; all that succeed are on disk when this returns. Return per delivery None or a MailError.

        All copies of a delivery are stored in one commit, or none of them. A delivery whose (queue id, recipient) was
        stored before succeeds, and nothing is stored. A message counts once per copy against the quota. Keywords for
        which a mailbox has no room are left out.
        """

    def watch(self, account_id: str, callback: Callable[[], None]) -> None:
        """Call back, in the event loop, within a second after any process has changed the account.

        A call may also mean only that a change may have been missed: callers look with `MailAccount.changes`.
        Watching twice with the same callback is watching once. Raises Unavailable.
        """

    def unwatch(self, account_id: str, callback: Callable[[], None]) -> None:
        """End a watch; one that is not there is no error."""
