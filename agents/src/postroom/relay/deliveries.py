"""From a claim to its end: sent, judged, logged, the sender told, the rows settled."""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from postroom.contracts.clock import Clock
from postroom.contracts.errors import MailError
from postroom.contracts.queue import Hop
from postroom.couriers.parcel import Attempt, Parcel
from postroom.couriers.smtp import SmtpCourier
from postroom.policy.retry import Schedule
from postroom.queue.reader import Postponement
from postroom.queue.rows import Claim, StoredContent
from postroom.relay.dispatch import Dispatcher, Lane
from postroom.relay.judgement import Moment, Verdict, given_back, judge, status_of
from postroom.relay.parcels import ParcelMaker, Unfit
from postroom.relay.reports import Reporter
from postroom.relay.spools import Spools
from postroom.runtime.log import Log
from postroom.runtime.service import where
from postroom.wire.smtp.client import Outgoing, recipient_wishes
from postroom.wire.smtp.replies import Reply

LOCAL_PAUSE: Final = (2.0, 60.0)  # seconds between attempts while our own mda is not there
_EMPTY: Final = StoredContent(b"\r\n", 2, b"")


@dataclass(slots=True)
class Parts:
    """What deliveries are made with; app.py puts it together."""

    courier: SmtpCourier
    maker: ParcelMaker
    reporter: Reporter
    spools: Spools
    clock: Clock
    log: Log


class Deliveries:
    """Carries out what Dispatcher and LocalDelivery begin."""

    def __init__(self, parts: Parts, schedule: Schedule, retired: Callable[[], None]) -> None:
        """`retired` hears that a local claim is over."""
        self._parts = parts
        self.schedule = schedule
        self._retired = retired
        self._telling: set[asyncio.Task[None]] = set()
        self.dispatcher: Dispatcher | None = None

    async def deliver(self, lane: Lane, claim: Claim) -> None:
        """One claim over SMTP. Whatever goes wrong, its rows are settled."""
        began = self._parts.clock.now()
        content = claim.content
        try:
            if content is None:
                content = await self._parts.spools.load(claim)
            attempt, attempted = await self._attempt(lane, claim, content)
        except (LookupError, sqlite3.Error) as error:
            attempt, attempted = (
                _nothing(claim, Reply(451, "4.3.0", f"message cannot be read: {error}")),
                False,
            )
        except Exception as error:  # a fault of ours must not take the message out of the queue, nor stop it
            self._parts.log.error(f"{claim.facts.id}: {where(error)}", QUEUE_ID=claim.facts.id)
            attempt, attempted = _nothing(claim, Reply(451, "4.3.5", "internal error of the relay")), True
        moment = Moment(self._parts.clock.now(), attempt.host, random.random(), attempted)  # noqa: S311
        verdicts = judge(claim, attempt.replies, moment, self.schedule, durable=True)
        await self._finish(claim, attempt, verdicts, content or _EMPTY, began)

    async def _attempt(self, lane: Lane, claim: Claim, content: StoredContent) -> tuple[Attempt, bool]:
        parts, dispatcher = self._parts, self.dispatcher
        assert dispatcher is not None
        if claim.forced:
            lane.unreachable_until = 0.0
        elif lane.unreachable_until > parts.clock.steady():
            return _nothing(
                claim, Reply(451, "4.4.1", f"not tried, since a moment ago: {lane.reason}")
            ), False
        try:
            parcel = await parts.maker.make(claim, content)
            attempt = await self._send(claim, parcel)
            converted = await parts.maker.make_seven_bit(claim, content) if attempt.seven_bit_only else None
        except Unfit as unfit:
            return _nothing(claim, unfit.reply), True
        if converted is not None:
            attempt = await self._send(claim, converted)
        if attempt.reached:
            dispatcher.succeeded(lane)
        else:
            await self._put_off(lane, attempt)
        return attempt, True

    async def _send(self, claim: Claim, parcel: Parcel) -> Attempt:
        recipients = tuple((row.address, recipient_wishes(row.notify, row.orcpt)) for row in claim.rows)
        facts = claim.facts
        outgoing = Outgoing(
            claim.sender, recipients, parcel.size, parcel.eight_bit, "", facts.envid, facts.ret
        )
        return await self._parts.courier.deliver(
            claim.destination, outgoing, parcel, by_mx=claim.hop is Hop.WORLD
        )

    async def _put_off(self, lane: Lane, attempt: Attempt) -> None:
        """No server of the destination talks to us: everything for it waits, with the same words."""
        parts, schedule, dispatcher = self._parts, self.schedule, self.dispatcher
        assert dispatcher is not None
        reply = attempt.replies[0]
        now = parts.clock.now()
        dispatcher.forget_old(parts.clock.steady())
        for claim in dispatcher.unreachable(lane, parts.clock.steady() + schedule.minimum, str(reply)):
            moment = Moment(now, attempt.host, random.random(), attempted=False)  # noqa: S311
            later = Attempt([reply] * len(claim.rows), attempt.host, reached=False)
            verdicts = judge(claim, later.replies, moment, schedule, durable=False)
            await self._finish(claim, later, verdicts, claim.content or _EMPTY, now)
        moved = await parts.spools.postpone(
            Postponement(
                lane.destination, schedule.minimum, schedule.maximum, attempt.host, status_of(reply), str(reply),
                now - min(schedule.expire_after, schedule.expire_bounce_after), now - schedule.warn_after,
            )
        )  # fmt: skip
        if moved:
            parts.log.info(f"{lane.destination}: {moved} more recipients deferred ({reply})")

    def conclude_local(self, claim: Claim, attempt: Attempt, content: StoredContent, began: float) -> None:
        """What the mda said about one claim."""
        schedule = self.schedule
        if not attempt.reached:
            schedule = replace(schedule, minimum=LOCAL_PAUSE[0], maximum=LOCAL_PAUSE[1])
        moment = Moment(self._parts.clock.now(), attempt.host, random.random())  # noqa: S311
        verdicts = judge(claim, attempt.replies, moment, schedule, durable=False)
        if any(verdict.tell for verdict in verdicts):
            task = asyncio.ensure_future(self._finish(claim, attempt, verdicts, content, began))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
        else:
            self._settle(claim, attempt, verdicts, began)
        self._retired()

    async def _finish(
        self, claim: Claim, attempt: Attempt, verdicts: list[Verdict], content: StoredContent, began: float
    ) -> None:
        """Tell the sender first, then settle: after a crash between both the same report is not told twice."""
        if any(verdict.tell for verdict in verdicts):
            try:
                if content is _EMPTY:
                    content = await self._parts.spools.load(claim)
                await self._parts.reporter.tell(claim, verdicts, attempt.host, content, self.schedule)
            except Exception as error:
                if not isinstance(error, MailError):
                    self._parts.log.error(
                        f"{claim.facts.id}: no report: {where(error)}", QUEUE_ID=claim.facts.id
                    )
                verdicts = self._untold(claim, attempt, verdicts)
        self._settle(claim, attempt, verdicts, began)

    def _untold(self, claim: Claim, attempt: Attempt, verdicts: list[Verdict]) -> list[Verdict]:
        """The report could not be written: those recipients stay in the queue until it can."""
        now = self._parts.clock.now()
        due = self.schedule.next_attempt(now, now, random.random())  # noqa: S311
        return [
            verdict if verdict.tell is None else _kept(claim, verdict, attempt.host, due)
            for verdict in verdicts
        ]

    def _settle(self, claim: Claim, attempt: Attempt, verdicts: Sequence[Verdict], began: float) -> None:
        self._parts.spools.settle(claim, [verdict.outcome for verdict in verdicts])
        if self._parts.log.enabled("info"):
            for verdict in verdicts:
                self._log(claim, attempt, verdict, began)

    def _log(self, claim: Claim, attempt: Attempt, verdict: Verdict, began: float) -> None:
        facts, row = claim.facts, verdict.row
        original = f" orig_to=<{row.original}>," if row.original and row.original != row.address else ""
        parts = (
            claim.claimed - facts.arrived,
            began - claim.claimed,
            attempt.connect_seconds,
            attempt.send_seconds,
        )
        self._parts.log.info(
            f"{facts.id}: to=<{row.address}>,{original} relay={attempt.host},"
            f" delay={max(self._parts.clock.now() - facts.arrived, 0):.2f},"
            f" delays={'/'.join(f'{max(part, 0):.2g}' for part in parts)}, dsn={status_of(verdict.reply)},"
            f" status={verdict.status} ({verdict.reply})",
            QUEUE_ID=facts.id,
            MESSAGE_ID=facts.message_id,
        )

    def give_back(self, claims: Sequence[Claim]) -> None:
        """Claims that were never begun."""
        for claim in claims:
            self._parts.spools.settle(claim, given_back(claim, self._parts.clock.now()))

    def use(self, courier: SmtpCourier, schedule: Schedule) -> None:
        """Take over new settings for what begins from now on."""
        self._parts.courier = courier
        self.schedule = schedule

    async def stop(self) -> None:
        """Wait for reports being written."""
        while self._telling:
            await asyncio.wait(set(self._telling))


def _nothing(claim: Claim, reply: Reply) -> Attempt:
    return Attempt([reply] * len(claim.rows))


def _kept(claim: Claim, verdict: Verdict, host: str, due: float) -> Verdict:
    outcome = verdict.outcome._replace(
        due=due,
        host=host,
        status=status_of(verdict.reply),
        reply=str(verdict.reply),
        warned=verdict.row.warned,
    )
    return verdict._replace(status="deferred", outcome=outcome)
