"""Reports to senders: bounces and delay warnings, as messages of our own. RFC 3464, RFC 3461 section 5.2, RFC 3834."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from postroom.contracts.clock import Clock
from postroom.contracts.errors import MailError
from postroom.contracts.outbox import Claim, QueuedContent
from postroom.contracts.queue import Intake, Origin, QueuedMessage, QueuedRecipient
from postroom.mail import dsn
from postroom.mail.address import Address, AddressError, parse_path
from postroom.mail.dsn import Action, Covering, Report, ReportedRecipient
from postroom.mail.ids import queue_id
from postroom.policy import authres
from postroom.policy.retry import Schedule
from postroom.policy.trace import date
from postroom.relay.judgement import RecipientVerdict, status_of
from postroom.runtime.log import Log

# The `client` of reports to the postmaster: when one of those fails, no report follows.
DOUBLE_BOUNCE: Final = "double-bounce"
_POSTMASTER: Final = Address("postmaster", "")  # the host's, RFC 5321 section 4.5.1
_UNKNOWN_SENDER: Final = (
    "This message came from outside and nothing vouches for its sender\r\n<{}>,\r\nwho therefore is not told."
)


class Router(Protocol):
    """Resolves addresses."""

    async def route(self, address: Address, sender: str, *, relay: bool) -> tuple[QueuedRecipient, ...]:
        """Return where mail for the address goes. Raises RecipientError, Unavailable."""


class _Addressee(NamedTuple):
    address: str  # "" is the host's postmaster
    preface: str = ""  # why the postmaster gets it
    junk: bool = False


class Reporter:
    """Writes reports into the relay's own spool."""

    def __init__(self, spool: Intake, router: Router, clock: Clock, log: Log, host_name: str) -> None:
        self._spool = spool
        self._router = router
        self._clock = clock
        self._log = log
        self._host = host_name

    async def report(
        self, claim: Claim, verdicts: Sequence[RecipientVerdict], content: QueuedContent, schedule: Schedule
    ) -> None:
        """Report what happened to a claim's recipients. Raises Unavailable: the report has to be written later."""
        for action in Action:
            concerned = [
                verdict for verdict in verdicts if verdict.report is action and _wanted(verdict, action)
            ]
            if not concerned:
                continue
            addressee = self._addressee(claim, action)
            if addressee is not None:
                await self._report(claim, action, concerned, content, schedule, addressee)

    def _addressee(self, claim: Claim, action: Action) -> _Addressee | None:
        message = claim.message
        if claim.sender:
            # A sender that SRS has rewritten stands for the first one, who gets the report.
            forwarded = claim.sender.lstrip('"')[:3].lower() == "srs"
            sender = message.sender if forwarded and message.sender else claim.sender
            if message.origin is not Origin.INBOUND or message.vouched or sender != message.sender:
                return _Addressee(sender)
            if action is Action.DELAYED:
                return None
            return _Addressee("", _UNKNOWN_SENDER.format(message.sender), junk=True)
        if action is Action.FAILED and message.origin is Origin.REPORT and message.client != DOUBLE_BOUNCE:
            return _Addressee("", "A notification of ours could not be delivered.")
        if action is Action.FAILED:
            self._log.warning(f"{message.id}: has the null sender, nobody is told", QUEUE_ID=message.id)
        return None

    async def _report(  # noqa: PLR0913, PLR0917
        self,
        claim: Claim,
        action: Action,
        verdicts: Sequence[RecipientVerdict],
        content: QueuedContent,
        schedule: Schedule,
        addressee: _Addressee,
    ) -> None:
        message = claim.message
        recipients = await self._recipients(addressee)
        if not recipients:
            return
        now = self._clock.now()
        identity = _identity(claim, action, verdicts)
        report = Report(
            action,
            self._host,
            tuple(_reported(verdict) for verdict in verdicts),
            message.id,
            date(int(message.arrived)),
            message.envid,
            message.message_id,
            date(int(message.arrived + schedule.expire_after)) if action is Action.DELAYED else "",
            addressee.preface,
        )
        to = addressee.address or f"postmaster@{self._host}"
        reasons = ("not delivered, and nothing vouches for the sender",) if addressee.junk else ()
        verdict = authres.Verdict(addressee.junk, reasons)
        covering = Covering(
            to,
            date(int(now)),
            f"<{identity}@{self._host}>",
            f"report.{identity}",
            (authres.verdict_field(verdict),),
        )
        whole = action is Action.FAILED and message.ret != "HDRS" and message.size <= dsn.MOST_QUOTED
        body = _body(content) if whole else None
        head, text = dsn.notification(report, covering, content.head, body)
        await self._accept(identity, now, recipients, head, text, double=bool(addressee.preface))
        kind = "sender non-delivery notification" if action is Action.FAILED else "sender delay notification"
        self._log.info(f"{message.id}: {kind} to=<{to}>: {identity}", QUEUE_ID=message.id)

    async def _recipients(self, addressee: _Addressee) -> tuple[QueuedRecipient, ...]:
        """Return where the report goes; nothing when no address for it is left. Raises Unavailable."""
        addresses = [_POSTMASTER]
        with suppress(AddressError):
            if addressee.address:
                addresses.insert(0, parse_path(addressee.address))
        for address in addresses:
            try:
                return await self._router.route(address, "", relay=bool(address.domain))
            except MailError as error:
                if error.temporary:
                    raise
        self._log.error(
            f"nobody can be told: <{addressee.address}> has no mailbox and there is no postmaster"
        )
        return ()

    async def _accept(  # noqa: PLR0913
        self,
        identity: str,
        now: float,
        recipients: tuple[QueuedRecipient, ...],
        head: bytes,
        body: bytes,
        *,
        double: bool,
    ) -> None:
        draft = self._spool.draft()
        try:
            draft.write(body)
            message = QueuedMessage(
                identity, now, "", recipients, Origin.REPORT, len(head) + len(body),
                message_id=f"<{identity}@{self._host}>",
                body="8BITMIME" if dsn.eight_bit(body) else "7BIT",
                client=DOUBLE_BOUNCE if double else "", signing_domain=self._host,
            )  # fmt: skip
            await self._spool.accept(message, head, draft, 0)
        finally:
            draft.discard()


def _body(content: QueuedContent) -> bytes | None:
    """Return the body, or None when it cannot be read: then the report is sent without it."""
    try:
        return b"".join(content.chunks())[len(content.head) :]
    except MailError:
        return None


def _wanted(verdict: RecipientVerdict, action: Action) -> bool:
    """Return whether NOTIFY asks for this report. RFC 3461 section 4.1."""
    wishes = verdict.recipient.notify.upper().split(",")
    return wishes == [""] or ("FAILURE" if action is Action.FAILED else "DELAY") in wishes


def _reported(verdict: RecipientVerdict) -> ReportedRecipient:
    """Describe one recipient: in the server's words if it gave any, else in ours, without a reply code."""
    recipient, result = verdict.recipient, verdict.result
    status, note = status_of(result.reply), ""
    if verdict.status == "expired":
        note = "given up after too long a time"
        # RFC 3463 section 3.5: delivery time expired
        status = f"5{status[1:]}" if status[2:3] == "4" else "5.4.7"
    said, host = (str(result.said), result.host_name) if result.said else (result.reply.text, "")
    return ReportedRecipient(recipient.address, status, said, host, recipient.original, recipient.orcpt, note)


def _identity(claim: Claim, action: Action, verdicts: Sequence[RecipientVerdict]) -> str:
    """Return the id of a report: the same for the same report, so that a crash before settling cannot send it twice."""
    numbers = ",".join(str(verdict.recipient.number) for verdict in verdicts)
    digest = hashlib.sha256(f"{claim.message.id} {action.value} {numbers}".encode()).digest()
    return queue_id(int(claim.message.arrived * 1000), digest[:10])
