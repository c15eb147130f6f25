"""What a reply means for a recipient: done, tried again, given up, the sender warned. RFC 5321 section 4.5.4.1.

Room rule: clock and chance come in as arguments.
"""

from collections.abc import Sequence
from typing import NamedTuple

from postroom.contracts.queue import Hop
from postroom.mail.dsn import Action
from postroom.policy.retry import Schedule
from postroom.queue.rows import Claim, Outcome, Row
from postroom.wire.smtp.replies import Reply


class Verdict(NamedTuple):
    """One recipient's. `tell`: what its sender is to be told."""

    row: Row
    reply: Reply
    status: str  # sent, deferred, bounced or expired
    outcome: Outcome
    tell: Action | None = None


class Moment(NamedTuple):
    """When and where something was said."""

    now: float
    host: str
    chance: float
    attempted: bool = True


def status_of(reply: Reply) -> str:
    """The enhanced status of a reply, made up where the server gave none. RFC 3463 section 2."""
    if reply.enhanced:
        return reply.enhanced
    return {2: "2.0.0", 4: "4.0.0"}.get(reply.code // 100, "5.0.0")


def judge(
    claim: Claim, replies: Sequence[Reply], moment: Moment, schedule: Schedule, *, durable: bool
) -> list[Verdict]:
    """Verdicts in the order of the claim's rows."""
    return [
        _judge(claim, row, reply, moment, schedule, durable)
        for row, reply in zip(claim.rows, replies, strict=True)
    ]


def _judge(  # noqa: PLR0913, PLR0917
    claim: Claim, row: Row, reply: Reply, moment: Moment, schedule: Schedule, durable: bool
) -> Verdict:
    seq = claim.facts.seq
    done = Outcome(seq, row.number, None, durable=durable)
    if reply.code // 100 == 2:
        return Verdict(row, reply, "sent", done._replace(left=claim.hop is not Hop.MAILBOX))
    done = done._replace(left=True)
    if reply.permanent:
        return Verdict(row, reply, "bounced", done, Action.FAILED)
    now, arrived = moment.now, claim.facts.arrived
    if schedule.expired(now, arrived, claim.sender):
        return Verdict(row, reply, "expired", done, Action.FAILED)
    warn = bool(claim.sender) and schedule.warning_due(now, arrived, row.warned)
    later = Outcome(
        seq,
        row.number,
        schedule.next_attempt(now, arrived, moment.chance),
        moment.host,
        status_of(reply),
        str(reply),
        moment.attempted,
        row.warned or warn,
    )
    return Verdict(row, reply, "deferred", later, Action.DELAYED if warn else None)


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
