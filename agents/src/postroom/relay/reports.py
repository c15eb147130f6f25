"""Telling senders: bounces and delay warnings, as messages of our own. RFC 3464, RFC 3461 section 5.2, RFC 3834."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from postroom.contracts.clock import Clock
from postroom.contracts.errors import MailError
from postroom.contracts.queue import Intake, Origin, QueuedMessage, QueuedRecipient
from postroom.mail import dsn
from postroom.mail.address import Address, AddressError, parse_path
from postroom.mail.dsn import Action, Covering, Report, ReportedRecipient
from postroom.mail.ids import queue_id
from postroom.policy import authres
from postroom.policy.retry import Schedule
from postroom.policy.trace import date
from postroom.queue.sqlite.rows import Claim, StoredContent
from postroom.relay.judgement import Verdict, status_of
from postroom.runtime.log import Log

DOUBLE_BOUNCE: Final = (
    "double-bounce"  # in `client` of reports to the postmaster: nobody hears when those fail
)
_POSTMASTER: Final = Address("postmaster", "")  # the host's, RFC 5321 section 4.5.1
_UNKNOWN_SENDER: Final = (
    "This message came from outside and nothing vouches for its sender\r\n<{}>,\r\nwho therefore is not told."
)


class Router(Protocol):
    """Resolves addresses."""

    async def route(self, address: Address, sender: str, *, relay: bool) -> tuple[QueuedRecipient, ...]:
        """Where mail for the address goes. Raises RecipientError, Unavailable."""


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

    async def tell(
        self, claim: Claim, verdicts: Sequence[Verdict], content: StoredContent, schedule: Schedule
    ) -> None:
        """Report what happened to a claim's recipients. Raises Unavailable: it has to be said later."""
        for action in Action:
            concerned = [
                verdict for verdict in verdicts if verdict.tell is action and _wanted(verdict, action)
            ]
            if not concerned:
                continue
            addressee = self._addressee(claim, action)
            if addressee is not None:
                await self._report(claim, action, concerned, content, schedule, addressee)

    def _addressee(self, claim: Claim, action: Action) -> _Addressee | None:
        facts = claim.facts
        if claim.sender:
            forwarded = (
                claim.sender.lstrip('"')[:3].lower() == "srs"
            )  # rewritten on its way outside: the first sender counts
            sender = facts.sender if forwarded and facts.sender else claim.sender
            if facts.origin is not Origin.INBOUND or facts.vouched or sender != facts.sender:
                return _Addressee(sender)
            if action is Action.DELAYED:
                return None
            return _Addressee("", _UNKNOWN_SENDER.format(facts.sender), junk=True)
        if action is Action.FAILED and facts.origin is Origin.REPORT and facts.client != DOUBLE_BOUNCE:
            return _Addressee("", "A notification of ours could not be delivered.")
        if action is Action.FAILED:
            self._log.warning(f"{facts.id}: has the null sender, nobody is told", QUEUE_ID=facts.id)
        return None

    async def _report(  # noqa: PLR0913, PLR0917
        self,
        claim: Claim,
        action: Action,
        verdicts: Sequence[Verdict],
        content: StoredContent,
        schedule: Schedule,
        addressee: _Addressee,
    ) -> None:
        facts = claim.facts
        recipients = await self._recipients(addressee)
        if not recipients:
            return
        now = self._clock.now()
        identity = _identity(claim, action, verdicts)
        report = Report(
            action,
            self._host,
            tuple(_reported(verdict) for verdict in verdicts),
            facts.id,
            date(int(facts.arrived)),
            facts.envid,
            facts.message_id,
            date(int(facts.arrived + schedule.expire_after)) if action is Action.DELAYED else "",
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
        whole = action is Action.FAILED and facts.ret != "HDRS" and facts.size <= dsn.MOST_QUOTED
        body = _body(content) if whole else None
        head, text = dsn.notification(report, covering, content.head, body)
        await self._accept(identity, now, recipients, head, text, double=bool(addressee.preface))
        kind = "sender non-delivery notification" if action is Action.FAILED else "sender delay notification"
        self._log.info(f"{facts.id}: {kind} to=<{to}>: {identity}", QUEUE_ID=facts.id)

    async def _recipients(self, addressee: _Addressee) -> tuple[QueuedRecipient, ...]:
        """Where the report goes; nowhere when the address is of no use any more. Raises Unavailable."""
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


def _body(content: StoredContent) -> bytes | None:
    """None when it cannot be read (any more): the report goes out without it."""
    try:
        return b"".join(content.chunks())[len(content.head) :]
    except OSError:
        return None


def _wanted(verdict: Verdict, action: Action) -> bool:
    """Whether NOTIFY asks for it. RFC 3461 section 4.1."""
    wishes = verdict.row.notify.upper().split(",")
    return wishes == [""] or ("FAILURE" if action is Action.FAILED else "DELAY") in wishes


def _reported(verdict: Verdict) -> ReportedRecipient:
    """Report one recipient: in the server's words where it spoke, else in ours, without a code that nobody said."""
    row, result = verdict.row, verdict.result
    status, note = status_of(result.reply), ""
    if verdict.status == "expired":
        note = "given up after too long a time"
        # RFC 3463 section 3.5: delivery time expired
        status = f"5{status[1:]}" if status[2:3] == "4" else "5.4.7"
    said, host = (str(result.said), result.host_name) if result.said else (result.reply.text, "")
    return ReportedRecipient(row.address, status, said, host, row.original, row.orcpt, note)


def _identity(claim: Claim, action: Action, verdicts: Sequence[Verdict]) -> str:
    """The same report has the same id, so that a crash between report and settling cannot send it twice."""
    numbers = ",".join(str(verdict.row.number) for verdict in verdicts)
    digest = hashlib.sha256(f"{claim.facts.id} {action.value} {numbers}".encode()).digest()
    return queue_id(int(claim.facts.arrived * 1000), digest[:10])
