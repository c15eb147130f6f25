"""Answer a session's questions from the store: judge recipients, deliver messages, keep quota flags correct."""

import contextlib
import os
from typing import Final

from postroom.contracts.account import Quota
from postroom.contracts.clock import Clock
from postroom.contracts.directory import Directory
from postroom.contracts.errors import MailError, MailLoop, RecipientOverQuota, Unavailable
from postroom.contracts.fullness import FullnessRecord
from postroom.contracts.store import Copy, Delivery, Store
from postroom.mail.ids import queue_id
from postroom.mda import filing
from postroom.mda.filing import Target
from postroom.runtime.log import Log
from postroom.wire.smtp.commands import Recipient
from postroom.wire.smtp.lmtp import AskDelivery

# A refused message up to this size means that the account is full; a larger one says nothing about smaller ones.
ORDINARY: Final = 1 << 20


class Deliverer:
    """Answers the questions of all sessions."""

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        directory: Directory,
        store: Store,
        fullness: FullnessRecord,
        clock: Clock,
        log: Log,
        host_name: str,
    ) -> None:
        self._directory = directory
        self._store = store
        self._fullness = fullness
        self._clock = clock
        self._log = log
        self._host_name = host_name

    async def judge(self, recipient: Recipient) -> Target:
        """Return the target of a recipient. Raises MailError."""
        target = await filing.find(self._directory, recipient.address, self._host_name)
        if await self._is_recorded_full(target):
            raise RecipientOverQuota("mailbox full")
        return target

    async def deliver(self, asked: AskDelivery) -> list[MailError | None]:
        """Deliver to all targets; return one outcome per target.

        A message without an id gets a new one, so a second copy of it cannot be recognised.
        """
        ident = asked.ident or queue_id(int(self._clock.now() * 1000), os.urandom(10))
        head = filing.head_of(asked.content)
        junk = filing.is_junk(head)
        arrived = int(self._clock.now())
        outcomes: list[MailError | None] = [None] * len(asked.targets)
        wanted: list[int] = []
        deliveries: list[Delivery] = []
        for index, target in enumerate(asked.targets):
            try:
                filing.demand_no_loop(head, target.address, self._host_name)
            except MailLoop as loop:
                outcomes[index] = loop
                continue
            wanted.append(index)
            deliveries.append(
                Delivery(
                    account=target.account.id,
                    queue_id=ident,
                    recipient=target.key,
                    prefix=filing.prefix(asked.mail.sender, target.address),
                    content=asked.content,
                    arrived=arrived,
                    copies=(Copy(filing.mailbox_for(target, junk)),),
                )
            )
        if deliveries:
            results = await self._store.deliver(deliveries)
            for index, result in zip(wanted, results, strict=True):
                outcomes[index] = self._as_refusal(result)
        for target, outcome in zip(asked.targets, outcomes, strict=True):
            await self._note(asked, target, ident, outcome, junk)
        return outcomes

    def _as_refusal(self, result: Exception | None) -> MailError | None:
        if result is None or isinstance(result, MailError):
            return result
        self._log.error(f"internal error: {type(result).__name__}: {result}")
        return Unavailable("internal error")

    async def _note(
        self, asked: AskDelivery, target: Target, ident: str, outcome: MailError | None, junk: bool
    ) -> None:
        fields = {"QUEUE_ID": ident, "ACCOUNT": target.account.id}
        size = len(asked.content)
        if outcome is None:
            mailbox = filing.mailbox_text(filing.mailbox_for(target, junk))
            self._log.info(
                f"{ident}: to=<{target.key}>, mailbox={mailbox}, size={size}, status=sent", **fields
            )
            return
        status = "deferred" if outcome.temporary else "bounced"
        words = f"{type(outcome).__name__}: {outcome}"
        self._log.info(f"{ident}: to=<{target.key}>, size={size}, status={status} ({words})", **fields)
        if isinstance(outcome, RecipientOverQuota):
            needed = size + len(filing.prefix(asked.mail.sender, target.address))
            with contextlib.suppress(MailError):  # the answer to the relay does not depend on the flag
                if is_full(await self._quota(target), needed):
                    await self._fullness.record(target.account.id, min(needed, ORDINARY))

    async def _quota(self, target: Target) -> Quota:
        account = await self._store.account(target.account.id, target.account.id)
        return await account.quota()

    async def _is_recorded_full(self, target: Target) -> bool:
        """Tell whether the account is recorded as full, and still is."""
        account_id = target.account.id
        needed = await self._fullness.needed(account_id)
        if not needed:
            return False
        if is_full(await self._quota(target), needed):
            return True
        await self._fullness.clear(account_id)
        return False

    async def review_fullness(self) -> None:
        """Clear the record of accounts that have room again or no longer exist."""
        for account_id in await self._fullness.recorded():
            account = await self._directory.account(account_id)
            if account is None:
                await self._fullness.clear(account_id)
                continue
            mailboxes = await self._store.account(account_id, account_id)
            if not is_full(await mailboxes.quota(), await self._fullness.needed(account_id)):
                await self._fullness.clear(account_id)


def is_full(quota: Quota, needed: int) -> bool:
    """Tell whether a message of ordinary size does not fit; `needed` is the size of the refused message."""
    return quota.limit > 0 and quota.used + min(needed, ORDINARY) > quota.limit
