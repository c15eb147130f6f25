"""What the msa decides: who may send, under which address, how much, and what the message lacks. RFC 6409."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from postroom.contracts.auth import Login
from postroom.contracts.clock import Clock
from postroom.contracts.directory import Directory
from postroom.contracts.errors import SenderNotOwned, SenderOverLimit
from postroom.contracts.queue import Draft, Intake, Origin, QueuedMessage, QueuedRecipient
from postroom.entrance.admission import Entrance
from postroom.mail.headermailboxes import author
from postroom.mail.headers import MAX_OCTETS, HeaderBlock, HeaderError, mended, read_headers
from postroom.msa import header
from postroom.msa.config import MsaConfig
from postroom.msa.counters import Counters
from postroom.msa.ownership import Ownership
from postroom.policy import trace
from postroom.policy.limits import Allowance, allowance, within
from postroom.runtime.log import Log
from postroom.smtpd import intake as common
from postroom.smtpd.reception import Client
from postroom.smtpd.routing import Router
from postroom.smtpd.transaction import Transaction
from postroom.wire.smtp.commands import Mail, Recipient
from postroom.wire.smtp.data import repaired
from postroom.wire.smtp.replies import Reply


@dataclass(kw_only=True)
class MsaReception:
    """Receives mail from our users, and over the local socket from programs of this host."""

    config: MsaConfig
    spool: Intake
    router: Router
    directory: Directory
    entrance: Entrance
    counters: Counters
    clock: Clock
    log: Log

    def __post_init__(self) -> None:
        self._ownership = Ownership(self.directory)
        self._default = Allowance(self.config.messages_per_day, self.config.recipients_per_day)
        self._drop = common.dropping(header.dropping(self.config.host_name))

    def draft(self) -> Draft:
        """Return a new draft in the spool."""
        return self.spool.draft()

    async def authenticate(self, client: Client, response: bytes) -> Login:
        """Let a client in. Raises LoginRefused, LoginThrottled, Unavailable."""
        return (await self.entrance.admit(response, client.address, secured=client.secured)).login

    async def sender(self, client: Client, mail: Mail) -> None:
        """Check that the sender belongs to the login and is within its limits.

        Raises SenderNotOwned, SenderOverLimit, Unavailable.
        """
        if client.login is None:
            await self._local_sender(client)
            return
        if mail.sender is not None and not await self._ownership.owns(client.login, mail.sender):
            raise SenderNotOwned
        use = await self.counters.use(client.login.account, self.clock.now())
        if not within(use, 1, await self._allowance(client.login)):
            raise SenderOverLimit

    async def _local_sender(self, client: Client) -> None:
        if key := limited_as(client):
            use = await self.counters.use(key, self.clock.now())
            if not within(use, 1, self._default):
                raise SenderOverLimit

    async def recipient(
        self, client: Client, transaction: Transaction, recipient: Recipient
    ) -> tuple[QueuedRecipient, ...]:
        """Accept any recipient outside and existing ones here. Raises RecipientError, Unavailable."""
        return await self.router.route(recipient.address, transaction.sender, relay=True)

    async def message(self, client: Client, transaction: Transaction, draft: Draft) -> Reply:
        """Check who may send it, complete the header, store it durably."""
        if client.login is None:
            draft = self._mended(self._repaired(draft))
        try:
            return await self._message(client, transaction, draft)
        finally:
            draft.discard()

    async def _message(self, client: Client, transaction: Transaction, draft: Draft) -> Reply:
        block = header.tidied(common.header_of(draft, self.config.max_hops))
        if client.login is not None:
            await self._ownership.check_header(client.login, block)
            await self._count(client.login, len(transaction.accepted))
        elif key := limited_as(client):
            await self._take(key, len(transaction.accepted), self._default)
        now = self.clock.now()
        incoming = common.Incoming(client, transaction, block, draft, common.new_id(now), now)
        head = self._head(incoming)
        message = await self._queued(incoming, head)
        await self.spool.accept(message, head, draft, block.body_offset)
        common.log_accepted(self.log, incoming, message)
        return common.queued(message.id)

    def _head(self, incoming: common.Incoming) -> bytes:
        login, host, now = incoming.client.login, self.config.host_name, int(incoming.now)
        # The Received field says that the sender was authenticated, but not from where.
        arrival = incoming.arrival(host)._replace(
            client="", helo="", authenticated=login is not None, local=login is None
        )
        sender = login.address if login else incoming.transaction.sender
        added = header.additions(incoming.block, incoming.queue_id, host, sender, now)
        return (
            incoming.block.rewritten(prepend=(trace.received(arrival, now), *added), drop=self._drop)
            + b"\r\n"
        )

    async def _queued(self, incoming: common.Incoming, head: bytes) -> QueuedMessage:
        login, transaction, block = incoming.client.login, incoming.transaction, incoming.block
        return QueuedMessage(
            id=incoming.queue_id,
            arrived=incoming.now,
            sender=transaction.sender,
            recipients=transaction.recipients,
            origin=Origin.SUBMITTED if login else Origin.LOCAL,
            size=incoming.size(head),
            message_id=common.message_id_of(block)
            or header.added_message_id(incoming.queue_id, self.config.host_name),
            signing_domain=await self._signing_domain(block, login.address if login else "", transaction),
            vouched=True,
            body=transaction.mail.body if transaction.mail else "7BIT",
            client=incoming.client.address,
            account=login.account if login else "",
        )

    async def _count(self, login: Login, recipients: int) -> None:
        await self._take(login.account, recipients, await self._allowance(login))

    async def _take(self, key: str, recipients: int, allowed: Allowance) -> None:
        if not await self.counters.take(key, recipients, allowed, self.clock.now()):
            raise SenderOverLimit

    async def _allowance(self, login: Login) -> Allowance:
        account = await self.directory.account(login.account)
        if account is None or not account.enabled:
            raise SenderNotOwned  # the account was removed or disabled since the login
        return allowance(account.messages_per_day, account.recipients_per_day, self._default)

    async def _signing_domain(self, block: HeaderBlock, login: str, transaction: Transaction) -> str:
        """Return the author's domain if it is ours (RFC 9989 section 4.4: alignment), otherwise the sender's.

        The author of a message without a From field is the login.
        """
        authors = author(block).domains or (_domain_of(login),)
        for name in (authors[0], _domain_of(transaction.sender)):
            if name and await self.directory.domain(name) is not None:
                return name
        return ""

    def _repaired(self, draft: Draft) -> Draft:
        """Give every line a CR LF, since local programs end lines in several ways."""
        return self._copied(draft, repaired(draft.body(0)))

    def _mended(self, draft: Draft) -> Draft:
        """Repair a header without the empty line before the body, or with mailbox separator lines at its top."""
        head = draft.head(MAX_OCTETS + 4)
        try:
            if not read_headers(head).flaw():
                return draft
        except HeaderError:
            return draft  # will be refused later
        fields, start = mended(head)
        return self._copied(draft, chain(fields, [b"\r\n"], draft.body(start)))

    def _copied(self, draft: Draft, pieces: Iterable[bytes]) -> Draft:
        copy = self.spool.draft()
        try:
            for piece in pieces:
                copy.write(piece)
        except BaseException:
            copy.discard()
            raise
        draft.discard()
        return copy


def _domain_of(address: str) -> str:
    return address.rpartition("@")[2]


def limited_as(client: Client) -> str:
    """Return the key that counts a local user's mail; "" for root, whose cron jobs and alarms must not be limited.

    No account id looks like it, because it contains a slash.
    """
    return f"uid/{client.uid}" if client.uid else ""
