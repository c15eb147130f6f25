"""What the mta decides: which recipients it accepts, and which messages. RFC 5321 section 7."""

from dataclasses import dataclass

from postroom.contracts.auth import Login
from postroom.contracts.clock import Clock
from postroom.contracts.errors import LoginRefused, RecipientOverQuota
from postroom.contracts.fullness import FullAccounts
from postroom.contracts.queue import Draft, Hop, Intake, Origin, QueuedMessage, QueuedRecipient
from postroom.mta.config import MtaConfig
from postroom.mta.repetition import Repetition
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
    """Receives mail from other MTAs. `verifier` is None if the operator has disabled verification."""

    config: MtaConfig
    spool: Intake
    router: Router
    verifier: Verifier | None
    fullness: FullAccounts
    repetition: Repetition
    clock: Clock
    log: Log

    def __post_init__(self) -> None:
        self._doomed = common.dropping(removal(self.config.host_name))

    def draft(self) -> Draft:
        """Return a new draft in the spool."""
        return self.spool.draft()

    async def authenticate(self, client: Client, response: bytes) -> Login:
        """Refuse every login, since port 25 offers none."""
        raise LoginRefused

    async def sender(self, client: Client, mail: Mail) -> None:
        """Accept any sender; authentication is judged when the message has arrived."""

    async def recipient(
        self, client: Client, transaction: Transaction, recipient: Recipient
    ) -> tuple[QueuedRecipient, ...]:
        """Accept only our own addresses. Raises RecipientError, Unavailable."""
        queued = await self.router.route(recipient.address, transaction.sender, relay=False)
        accounts = {row.account for row in queued if row.hop is Hop.MAILBOX}
        only_mailboxes = bool(accounts) and all(row.hop is Hop.MAILBOX for row in queued)
        if only_mailboxes and accounts == await self.fullness.full_among(accounts):  # no destination is left
            raise RecipientOverQuota
        return queued

    async def message(self, client: Client, transaction: Transaction, draft: Draft) -> Reply:
        """Judge the message, add the trace fields, store it durably."""
        block = common.header_of(draft, self.config.max_hops)
        judgement = Judgement(vouched=bool(transaction.sender))
        if self.verifier is not None:
            judgement = await self.verifier.judge(client, transaction, block, draft)
        now = self.clock.now()
        known = await self.repetition.id_of(transaction, block, draft, judgement.summary, now)
        incoming = common.Incoming(client, transaction, block, draft, known or common.new_id(now), now)
        head = self._head(incoming, judgement)
        message = _queued(incoming, head, judgement, repeatable=known is not None)
        if await self.spool.accept(message, head, draft, block.body_offset):
            common.log_accepted(self.log, incoming, message, judgement.summary)
        else:
            self._log_again(incoming, message)
        return common.queued(message.id)

    def _log_again(self, incoming: common.Incoming, message: QueuedMessage) -> None:
        self.log.info(
            f"{message.id}: received again: client={incoming.client.address}"
            f" message-id={message.message_id} from=<{message.sender}>",
            QUEUE_ID=message.id,
        )

    def _head(self, incoming: common.Incoming, judgement: Judgement) -> bytes:
        arrival = incoming.arrival(self.config.host_name)
        ours = (*judgement.fields, trace.received(arrival, int(incoming.now)))
        block = incoming.block
        drop = self._doomed if any(map(self._doomed, block.fields)) else None
        return block.rewritten(prepend=ours, drop=drop) + b"\r\n"


def _queued(
    incoming: common.Incoming, head: bytes, judgement: Judgement, *, repeatable: bool
) -> QueuedMessage:
    transaction = incoming.transaction
    assert transaction.mail is not None
    return QueuedMessage(
        id=incoming.queue_id,
        arrived=incoming.now,
        sender=transaction.sender,
        recipients=transaction.recipients,
        origin=Origin.INBOUND,
        size=incoming.size(head),
        message_id=common.message_id_of(incoming.block),
        vouched=judgement.vouched,
        authentication=judgement.authentication,
        body=transaction.mail.body,
        client=incoming.client.address,
        repeatable=repeatable,
    )
