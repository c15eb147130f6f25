"""All mailboxes as a whole: opening an account, and delivering to many of them at once. See contracts.account."""

from collections.abc import Sequence
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
    quota_bytes: int = 0


class Store(Protocol):
    """All accounts of a host."""

    async def account(self, account_id: str, quota_bytes: int) -> MailAccount:
        """The account, made with its first mailboxes (INBOX Drafts Sent Junk Trash Archive) when new."""

    async def deliver(self, deliveries: Sequence[Delivery]) -> tuple[Exception | None, ...]:
        """Deliver each; all that succeed are on disk when this returns. Return per delivery None or a MailError.

        All copies of a delivery are stored in one commit, or none of them. A delivery whose (queue id, recipient) was
        stored before succeeds, and nothing is stored. A message counts once per copy against the quota. Keywords for
        which a mailbox has no room are left out.
        """
