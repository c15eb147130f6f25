"""What a reply means for a recipient: done, another attempt, given up, sender warned. RFC 5321 section 4.5.4.1.

Room rule: time and chance come in as arguments.
"""

from collections.abc import Sequence
from typing import NamedTuple

from postroom.contracts.outbox import Claim, ClaimedRecipient, Outcome
from postroom.contracts.queue import Hop
from postroom.couriers.parcel import Result
from postroom.mail.dsn import Action
from postroom.policy.retry import Schedule
from postroom.wire.smtp.replies import Reply


class RecipientVerdict(NamedTuple):
    """The judgement on one recipient. `report`: which report its sender gets."""

    recipient: ClaimedRecipient
    result: Result
    status: str  # sent, deferred, bounced or expired
    outcome: Outcome
    report: Action | None = None

    @property
    def reply(self) -> Reply:
        """Return the reply that counts."""
        return self.result.reply


class AttemptTime(NamedTuple):
    """When an attempt ended, and the chance (0 to 1) that spreads the next one. RFC 5321 section 4.5.4.1."""

    now: float
    chance: float
    attempted: bool = True  # False: the destination was not even tried


def status_of(reply: Reply) -> str:
    """Return the enhanced status of a reply, a general one where the server gave none. RFC 3463 section 2."""
    if reply.enhanced:
        return reply.enhanced
    return {2: "2.0.0", 4: "4.0.0"}.get(reply.code // 100, "5.0.0")


def judge(
    claim: Claim, results: Sequence[Result], attempt: AttemptTime, schedule: Schedule, *, durable: bool
) -> list[RecipientVerdict]:
    """Return verdicts in the order of the claim's recipients."""
    return [
        _judge(claim, recipient, result, attempt, schedule, durable)
        for recipient, result in zip(claim.recipients, results, strict=True)
    ]


def _judge(  # noqa: PLR0913, PLR0917
    claim: Claim,
    recipient: ClaimedRecipient,
    result: Result,
    attempt: AttemptTime,
    schedule: Schedule,
    durable: bool,
) -> RecipientVerdict:
    reply = result.reply
    done = Outcome(recipient.number, None, durable=durable)
    if reply.code // 100 == 2:
        return RecipientVerdict(recipient, result, "sent", done._replace(left=claim.hop is not Hop.MAILBOX))
    done = done._replace(left=True)
    if reply.permanent:
        return RecipientVerdict(recipient, result, "bounced", done, Action.FAILED)
    now, arrived = attempt.now, claim.message.arrived
    if schedule.expired(now, arrived, claim.sender):
        return RecipientVerdict(recipient, result, "expired", done, Action.FAILED)
    warn = bool(claim.sender) and schedule.warning_due(now, arrived, recipient.warned)
    later = Outcome(
        recipient.number,
        schedule.next_attempt(now, arrived, attempt.chance),
        result.host,
        status_of(reply),
        str(reply),
        attempt.attempted,
        recipient.warned or warn,
    )
    return RecipientVerdict(recipient, result, "deferred", later, Action.DELAYED if warn else None)
