"""What a reply means for a recipient: done, tried again, given up, the sender warned. RFC 5321 section 4.5.4.1.

Room rule: clock and chance come in as arguments.
"""

from collections.abc import Sequence
from typing import NamedTuple

from postroom.contracts.queue import Hop
from postroom.couriers.parcel import Result
from postroom.mail.dsn import Action
from postroom.policy.retry import Schedule
from postroom.queue.sqlite.rows import Claim, Outcome, Row
from postroom.wire.smtp.replies import Reply


class Verdict(NamedTuple):
    """One recipient's. `tell`: what its sender is to be told."""

    row: Row
    result: Result
    status: str  # sent, deferred, bounced or expired
    outcome: Outcome
    tell: Action | None = None

    @property
    def reply(self) -> Reply:
        """What counts."""
        return self.result.reply


class Moment(NamedTuple):
    """When something was said, and by chance when it is tried again."""

    now: float
    chance: float
    attempted: bool = True


def status_of(reply: Reply) -> str:
    """The enhanced status of a reply, made up where the server gave none. RFC 3463 section 2."""
    if reply.enhanced:
        return reply.enhanced
    return {2: "2.0.0", 4: "4.0.0"}.get(reply.code // 100, "5.0.0")


def judge(
    claim: Claim, results: Sequence[Result], moment: Moment, schedule: Schedule, *, durable: bool
) -> list[Verdict]:
    """Verdicts in the order of the claim's rows."""
    return [
        _judge(claim, row, result, moment, schedule, durable)
        for row, result in zip(claim.rows, results, strict=True)
    ]


def _judge(  # noqa: PLR0913, PLR0917
    claim: Claim, row: Row, result: Result, moment: Moment, schedule: Schedule, durable: bool
) -> Verdict:
    reply = result.reply
    seq = claim.facts.seq
    done = Outcome(seq, row.number, None, durable=durable)
    if reply.code // 100 == 2:
        return Verdict(row, result, "sent", done._replace(left=claim.hop is not Hop.MAILBOX))
    done = done._replace(left=True)
    if reply.permanent:
        return Verdict(row, result, "bounced", done, Action.FAILED)
    now, arrived = moment.now, claim.facts.arrived
    if schedule.expired(now, arrived, claim.sender):
        return Verdict(row, result, "expired", done, Action.FAILED)
    warn = bool(claim.sender) and schedule.warning_due(now, arrived, row.warned)
    later = Outcome(
        seq,
        row.number,
        schedule.next_attempt(now, arrived, moment.chance),
        result.host,
        status_of(reply),
        str(reply),
        moment.attempted,
        row.warned or warn,
    )
    return Verdict(row, result, "deferred", later, Action.DELAYED if warn else None)


def given_back(claim: Claim, now: float) -> list[Outcome]:
    """The claim as it was before: it was never begun."""
    return [
        Outcome(
            claim.facts.seq,
            row.number,
            now,
            row.host,
            row.status,
            row.reply,
            attempted=False,
            warned=row.warned,
        )
        for row in claim.rows
    ]
