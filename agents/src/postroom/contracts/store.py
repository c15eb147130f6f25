"""All mailboxes as a whole: opening an account, and delivering to many of them at once. See contracts.account."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from postroom.contracts.account import MailAccount


class Delivery(msgspec.Struct, frozen=True):
    """One message for one recipient, as the mda hands it over."""

    account: str
    queue_id: str
    recipient: str
    mailbox: str  # wanted mailbox; INBOX is used when it does not exist
    prefix: bytes  # Return-Path and Delivered-To, served in front of the content
    content: bytes
    arrived: int  # seconds since 1970, brought into the range of mail.dates
    quota_bytes: int = 0
    flags: frozenset[str] = frozenset()


class Store(Protocol):
    """All accounts of a host."""

    async def account(self, account_id: str, quota_bytes: int) -> MailAccount:
        """The account, made with its first mailboxes (INBOX Drafts Sent Junk Trash Archive) when new."""

    async def deliver(self, deliveries: Sequence[Delivery]) -> tuple[Exception | None, ...]:
        """Deliver each; all that succeed are on disk when this returns. Per delivery None or a MailError.

        The second copy of one (queue id, recipient) succeeds and is not stored. Keywords for which the mailbox has no
        room are left out.
        """
