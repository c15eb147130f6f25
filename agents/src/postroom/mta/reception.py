"""What the mta decides: for whom it takes mail, and what a message has to be like. RFC 5321 section 7."""

from dataclasses import dataclass

from postroom.contracts.auth import Login
from postroom.contracts.clock import Clock
from postroom.contracts.errors import LoginRefused, RecipientOverQuota
from postroom.contracts.queue import Draft, Hop, Intake, Origin, QueuedMessage, QueuedRecipient
from postroom.mail.headers import HeaderBlock
from postroom.mta.config import MtaConfig
from postroom.mta.quota import OverQuotaFlags
from postroom.mta.verification import Judgement, Verifier
from postroom.policy import trace
from postroom.policy.authres import removal
from postroom.runtime.log import Log
from postroom.smtpd import intake as common
from postroom.smtpd.reception import Client
from postroom.smtpd.routing import Router
from postroom.smtpd.transaction import Transaction
from postroom.wire.smtp.commands import Mail, Recipient
from postroom.wire.smtp.replies import Reply


@dataclass(kw_only=True)
class MtaReception:
    """Mail from other MTAs. `verifier` is None where the operator has switched verification off."""

    config: MtaConfig
    spool: Intake
    router: Router
    verifier: Verifier | None
    flags: OverQuotaFlags
    clock: Clock
    log: Log

    def __post_init__(self) -> None:
        self._foreign = removal(self.config.host_name)

    def draft(self) -> Draft:
        """A place in the spool."""
        return self.spool.draft()

    async def authenticate(self, client: Client, mechanism: str, response: bytes) -> Login:
        """Nobody logs in at port 25."""
        raise LoginRefused

    async def sender(self, client: Client, mail: Mail) -> None:
        """Any sender: who vouches for him is seen when the message has come."""

    async def recipient(
        self, client: Client, transaction: Transaction, recipient: Recipient
    ) -> tuple[QueuedRecipient, ...]:
        """Addresses of ours only. Raises RecipientError, Unavailable."""
        queued = await self.router.route(recipient.address, transaction.sender, relay=False)
        if self.flags.all_full([row.account for row in queued if row.hop is Hop.MAILBOX], len(queued)):
            raise RecipientOverQuota
        return queued

    async def message(self, client: Client, transaction: Transaction, draft: Draft) -> Reply:
        """Judge it, write the trace, make it durable."""
        block = common.header_of(draft, self.config.max_hops)
        judgement = Judgement(vouched=bool(transaction.sender))
        if self.verifier is not None:
            judgement = await self.verifier.judge(client, transaction, block, draft)
        now = self.clock.now()
        queue_id = common.new_id(now)
        head = self._head(client, transaction, block, queue_id, now, judgement)
        message = self._queued(client, transaction, block, draft, queue_id, now, head, judgement)
        await self.spool.accept(message, head, draft, block.body_offset)
        common.log_accepted(
            self.log, client, transaction, queue_id, message.message_id, message.size, judgement.summary
        )
        return common.queued(queue_id)

    def _head(
        self,
        client: Client,
        transaction: Transaction,
        block: HeaderBlock,
        queue_id: str,
        now: float,
        judgement: Judgement,
    ) -> bytes:
        arrival = common.arrival(self.config.host_name, queue_id, client, transaction)
        ours = (*judgement.fields, trace.received(arrival, int(now)))
        drop = self._foreign if any(map(self._foreign, block.fields)) else None
        return block.rewritten(prepend=ours, drop=drop) + b"\r\n"

    def _queued(
        self,
        client: Client,
        transaction: Transaction,
        block: HeaderBlock,
        draft: Draft,
        queue_id: str,
        now: float,
        head: bytes,
        judgement: Judgement,
    ) -> QueuedMessage:
        assert transaction.mail is not None
        return QueuedMessage(
            id=queue_id,
            arrived=now,
            sender=transaction.sender,
            recipients=transaction.recipients,
            origin=Origin.INBOUND,
            size=len(head) + draft.size - block.body_offset,
            message_id=common.message_id_of(block),
            vouched=judgement.vouched,
            authentication=judgement.authentication,
            body=transaction.mail.body,
            client=client.address,
        )
