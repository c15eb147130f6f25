"""From a claim to its end: sent, judged, logged, the sender told, the rows settled."""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from postroom.contracts.clock import Clock
from postroom.contracts.errors import MailError
from postroom.contracts.queue import Hop
from postroom.couriers.parcel import Attempt, Parcel, Result, fault, unreadable
from postroom.couriers.smtp import SmtpCourier
from postroom.policy.retry import Schedule
from postroom.queue.sqlite.reader import Postponement
from postroom.queue.sqlite.rows import Claim, StoredContent
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
        taken: dict[int, Result] = {}
        try:
            if content is None:
                content = await self._parts.spools.load(claim)
            attempt, attempted = await self._attempt(lane, claim, content, taken)
        except (LookupError, sqlite3.Error) as error:
            attempt, attempted = _nothing(claim, unreadable(error)), False
        except Exception as error:  # a fault of ours must not take the message out of the queue, nor stop it
            self._parts.log.error(f"{claim.facts.id}: {where(error)}", QUEUE_ID=claim.facts.id)
            attempt, attempted = _nothing(claim, fault("")), True
            attempt.results = [taken.get(number, result) for number, result in enumerate(attempt.results)]
        moment = Moment(self._parts.clock.now(), random.random(), attempted)  # noqa: S311
        verdicts = judge(claim, attempt.results, moment, self.schedule, durable=True)
        await self._finish(claim, attempt, verdicts, content or _EMPTY, began)

    async def _attempt(
        self, lane: Lane, claim: Claim, content: StoredContent, taken: dict[int, Result]
    ) -> tuple[Attempt, bool]:
        """One attempt, and whether it was one; `taken` is filled while it lasts, for whatever may happen to it."""
        parts, dispatcher = self._parts, self.dispatcher
        assert dispatcher is not None
        if claim.forced:
            lane.unreachable_until = 0.0
        elif lane.reason is not None and lane.unreachable_until > parts.clock.steady():
            return _nothing(claim, lane.reason), False
        try:
            parcel = await parts.maker.make(claim, content)
        except Unfit as unfit:
            return _nothing(claim, Result(unfit.reply)), True
        attempt = await self._send(claim, content, parcel, taken)
        if attempt.reached:
            dispatcher.succeeded(lane)
        else:
            await self._put_off(lane, attempt)
        return attempt, True

    async def _send(
        self, claim: Claim, content: StoredContent, parcel: Parcel, taken: dict[int, Result]
    ) -> Attempt:
        recipients = tuple((row.address, recipient_wishes(row.notify, row.orcpt)) for row in claim.rows)
        facts = claim.facts
        outgoing = Outgoing(
            claim.sender, recipients, parcel.size, parcel.eight_bit, "", facts.envid, facts.ret
        )

        def note(results: Mapping[int, Result]) -> None:
            new = {number: result for number, result in results.items() if number not in taken}
            taken.update(new)
            self._settle_taken(claim, new)

        return await self._parts.courier.deliver(
            claim.destination,
            outgoing,
            replace(parcel, seven_bit=partial(self._seven_bit, claim, content)),
            by_mx=claim.hop is Hop.WORLD,
            taken=note,
        )

    def _settle_taken(self, claim: Claim, taken: Mapping[int, Result]) -> None:
        """Write down at once who has the message: after a crash nobody may get it again for the others' sake."""
        part = claim._replace(rows=tuple(claim.rows[number] for number in taken))
        moment = Moment(self._parts.clock.now(), random.random())  # noqa: S311
        verdicts = judge(part, [*taken.values()], moment, self.schedule, durable=True)
        self._parts.spools.settle(part, [verdict.outcome for verdict in verdicts])

    async def _seven_bit(self, claim: Claim, content: StoredContent) -> Parcel | Reply | None:
        try:
            return await self._parts.maker.make_seven_bit(claim, content)
        except Unfit as unfit:
            return unfit.reply

    async def _put_off(self, lane: Lane, attempt: Attempt) -> None:
        """No server of the destination talks to us: everything for it waits, with the same words."""
        parts, schedule, dispatcher = self._parts, self.schedule, self.dispatcher
        assert dispatcher is not None
        result = attempt.results[0]
        reply = result.reply
        now = parts.clock.now()
        dispatcher.forget_old(parts.clock.steady())
        for claim in dispatcher.unreachable(lane, parts.clock.steady() + schedule.minimum, result):
            moment = Moment(now, random.random(), attempted=False)  # noqa: S311
            later = _nothing(claim, result)
            verdicts = judge(claim, later.results, moment, schedule, durable=False)
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
        moment = Moment(self._parts.clock.now(), random.random())  # noqa: S311
        verdicts = judge(claim, attempt.results, moment, schedule, durable=False)
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
                await self._parts.reporter.tell(claim, verdicts, content, self.schedule)
            except Exception as error:
                if not isinstance(error, MailError):
                    self._parts.log.error(
                        f"{claim.facts.id}: no report: {where(error)}", QUEUE_ID=claim.facts.id
                    )
                verdicts = self._untold(verdicts)
        self._settle(claim, attempt, verdicts, began)

    def _untold(self, verdicts: list[Verdict]) -> list[Verdict]:
        """The report could not be written: those recipients stay in the queue until it can."""
        now = self._parts.clock.now()
        due = self.schedule.next_attempt(now, now, random.random())  # noqa: S311
        return [verdict if verdict.tell is None else _kept(verdict, due) for verdict in verdicts]

    def _settle(self, claim: Claim, attempt: Attempt, verdicts: Sequence[Verdict], began: float) -> None:
        self._parts.spools.settle(claim, [verdict.outcome for verdict in verdicts])
        if self._parts.log.enabled("info"):
            for verdict in verdicts:
                self._log(claim, attempt, verdict, began)

    def _log(self, claim: Claim, attempt: Attempt, verdict: Verdict, began: float) -> None:
        facts, row = claim.facts, verdict.row
        original = f" orig_to=<{row.original}>," if row.original and row.original != row.address else ""
        inside = f" [{verdict.result.inside}]" if verdict.result.inside else ""
        parts = (
            claim.claimed - facts.arrived,
            began - claim.claimed,
            attempt.connect_seconds,
            attempt.send_seconds,
        )
        self._parts.log.info(
            f"{facts.id}: to=<{row.address}>,{original} relay={verdict.result.host},"
            f" delay={max(self._parts.clock.now() - facts.arrived, 0):.2f},"
            f" delays={'/'.join(f'{max(part, 0):.2g}' for part in parts)}, dsn={status_of(verdict.reply)},"
            f" status={verdict.status} ({verdict.reply}){inside}",
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


def _nothing(claim: Claim, result: Result) -> Attempt:
    return Attempt([result] * len(claim.rows))


def _kept(verdict: Verdict, due: float) -> Verdict:
    outcome = verdict.outcome._replace(
        due=due,
        host=verdict.result.host,
        status=status_of(verdict.reply),
        reply=str(verdict.reply),
        warned=verdict.row.warned,
    )
    return verdict._replace(status="deferred", outcome=outcome)
