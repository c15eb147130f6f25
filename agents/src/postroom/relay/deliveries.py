"""Carries a claim to its end: sends it, judges and logs the replies, reports to the sender, settles."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from postroom.contracts.clock import Clock
from postroom.contracts.errors import MailError
from postroom.contracts.outbox import Claim, MemoryContent, Outbox, Postponement, QueuedContent
from postroom.contracts.queue import Hop
from postroom.couriers.parcel import Attempt, Parcel, Result, fault, unreadable
from postroom.couriers.smtp import SmtpCourier
from postroom.policy.retry import Schedule
from postroom.relay.dispatch import Dispatcher, Lane
from postroom.relay.judgement import AttemptTime, RecipientVerdict, judge, status_of
from postroom.relay.parcels import ParcelMaker, Unfit
from postroom.relay.reports import Reporter
from postroom.runtime.log import Log
from postroom.runtime.service import where
from postroom.wire.smtp.client import Outgoing, recipient_wishes
from postroom.wire.smtp.replies import Reply

LOCAL_PAUSE: Final = (2.0, 60.0)  # seconds between attempts while our own mda is not there
_EMPTY: Final = MemoryContent(b"\r\n")


@dataclass(slots=True)
class DeliveryServices:
    """Everything that a delivery needs; app.py constructs it."""

    courier: SmtpCourier
    maker: ParcelMaker
    reporter: Reporter
    outbox: Outbox
    clock: Clock
    log: Log


class Deliveries:
    """Carries out the deliveries that Dispatcher and LocalDelivery begin."""

    def __init__(self, services: DeliveryServices, schedule: Schedule, retired: Callable[[], None]) -> None:
        """Build the deliveries. `retired` is called when a local claim is finished."""
        self._services = services
        self.schedule = schedule
        self._retired = retired
        self._reporting: set[asyncio.Task[None]] = set()
        self.dispatcher: Dispatcher | None = None

    async def deliver(self, lane: Lane, claim: Claim) -> None:
        """Deliver one claim over SMTP. Whatever goes wrong, its recipients are settled."""
        began = self._services.clock.now()
        content = claim.content
        taken: dict[int, Result] = {}
        try:
            if content is None:
                content = await self._services.outbox.load(claim)
            attempt, attempted = await self._attempt(lane, claim, content, taken)
        except MailError as error:
            attempt, attempted = _nothing(claim, unreadable(error)), False
        # A fault of ours must neither remove the message from the queue nor stop the relay.
        except Exception as error:
            self._services.log.error(f"{claim.message.id}: {where(error)}", QUEUE_ID=claim.message.id)
            attempt, attempted = _nothing(claim, fault("")), True
        if taken:
            attempt.results = [taken.get(number, result) for number, result in enumerate(attempt.results)]
        when = AttemptTime(self._services.clock.now(), random.random(), attempted)  # noqa: S311
        verdicts = judge(claim, attempt.results, when, self.schedule, durable=True)
        await self._finish(claim, attempt, verdicts, content or _EMPTY, began)

    async def _attempt(
        self, lane: Lane, claim: Claim, content: QueuedContent, taken: dict[int, Result]
    ) -> tuple[Attempt, bool]:
        """Return the attempt, and whether the destination was tried; `taken` collects results even if it breaks off."""
        services, dispatcher = self._services, self.dispatcher
        assert dispatcher is not None
        if claim.forced:
            lane.unreachable_until = 0.0
        elif lane.reason is not None and lane.unreachable_until > services.clock.steady():
            return _nothing(claim, lane.reason), False
        try:
            parcel = await services.maker.make(claim, content)
        except Unfit as unfit:
            return _nothing(claim, Result(unfit.reply)), True
        attempt = await self._send(claim, content, parcel, taken)
        if attempt.reached:
            dispatcher.succeeded(lane)
        else:
            await self._put_off(lane, attempt)
        return attempt, True

    async def _send(
        self, claim: Claim, content: QueuedContent, parcel: Parcel, taken: dict[int, Result]
    ) -> Attempt:
        recipients = tuple((one.address, recipient_wishes(one.notify, one.orcpt)) for one in claim.recipients)
        message = claim.message
        outgoing = Outgoing(
            claim.sender, recipients, parcel.size, parcel.eight_bit, "", message.envid, message.ret
        )

        def note(results: Mapping[int, Result]) -> None:
            new = {number: result for number, result in results.items() if number not in taken}
            taken.update(new)
            self._settle_taken(claim, new)

        return await self._services.courier.deliver(
            claim.destination,
            outgoing,
            replace(parcel, seven_bit=partial(self._seven_bit, claim, content)),
            by_mx=claim.hop is Hop.WORLD,
            taken=note,
        )

    def _settle_taken(self, claim: Claim, taken: Mapping[int, Result]) -> None:
        """Settle at once the recipients that have the message: a crash must not send it to them again."""
        part = claim._replace(recipients=tuple(claim.recipients[number] for number in taken))
        when = AttemptTime(self._services.clock.now(), random.random())  # noqa: S311
        verdicts = judge(part, [*taken.values()], when, self.schedule, durable=True)
        self._services.outbox.settle(part, [verdict.outcome for verdict in verdicts])

    async def _seven_bit(self, claim: Claim, content: QueuedContent) -> Parcel | Reply | None:
        try:
            return await self._services.maker.make_seven_bit(claim, content)
        except Unfit as unfit:
            return unfit.reply

    async def _put_off(self, lane: Lane, attempt: Attempt) -> None:
        """Postpone everything for a destination that has no server we can talk to, with the same reply."""
        services, schedule, dispatcher = self._services, self.schedule, self.dispatcher
        assert dispatcher is not None
        result = attempt.results[0]
        reply = result.reply
        now = services.clock.now()
        dispatcher.forget_old(services.clock.steady())
        for claim in dispatcher.unreachable(lane, services.clock.steady() + schedule.minimum, result):
            when = AttemptTime(now, random.random(), attempted=False)  # noqa: S311
            later = _nothing(claim, result)
            verdicts = judge(claim, later.results, when, schedule, durable=False)
            await self._finish(claim, later, verdicts, claim.content or _EMPTY, now)
        moved = await services.outbox.postpone(
            Postponement(
                lane.destination, schedule.minimum, schedule.maximum, attempt.host, status_of(reply), str(reply),
                now - min(schedule.expire_after, schedule.expire_bounce_after), now - schedule.warn_after,
            )
        )  # fmt: skip
        if moved:
            services.log.info(f"{lane.destination}: {moved} more recipients deferred ({reply})")

    def conclude_local(self, claim: Claim, attempt: Attempt, content: QueuedContent, began: float) -> None:
        """Judge and settle one claim by the replies of the mda."""
        schedule = self.schedule
        if not attempt.reached:
            schedule = replace(schedule, minimum=LOCAL_PAUSE[0], maximum=LOCAL_PAUSE[1])
        when = AttemptTime(self._services.clock.now(), random.random())  # noqa: S311
        verdicts = judge(claim, attempt.results, when, schedule, durable=False)
        if any(verdict.report for verdict in verdicts):
            task = asyncio.ensure_future(self._finish(claim, attempt, verdicts, content, began))
            self._reporting.add(task)
            task.add_done_callback(self._reporting.discard)
        else:
            self._settle(claim, attempt, verdicts, began)
        self._retired()

    async def _finish(
        self,
        claim: Claim,
        attempt: Attempt,
        verdicts: list[RecipientVerdict],
        content: QueuedContent,
        began: float,
    ) -> None:
        """Report to the sender first, then settle: after a crash in between, the same report is known by its id."""
        if any(verdict.report for verdict in verdicts):
            try:
                if content is _EMPTY:
                    content = await self._services.outbox.load(claim)
                await self._services.reporter.report(claim, verdicts, content, self.schedule)
            except Exception as error:
                if not isinstance(error, MailError):
                    self._services.log.error(
                        f"{claim.message.id}: no report: {where(error)}", QUEUE_ID=claim.message.id
                    )
                verdicts = self._untold(verdicts)
        self._settle(claim, attempt, verdicts, began)

    def _untold(self, verdicts: list[RecipientVerdict]) -> list[RecipientVerdict]:
        """Return the verdicts with their recipients kept in the queue until the report can be written."""
        now = self._services.clock.now()
        due = self.schedule.next_attempt(now, now, random.random())  # noqa: S311
        return [verdict if verdict.report is None else _kept(verdict, due) for verdict in verdicts]

    def _settle(
        self, claim: Claim, attempt: Attempt, verdicts: Sequence[RecipientVerdict], began: float
    ) -> None:
        self._services.outbox.settle(claim, [verdict.outcome for verdict in verdicts])
        if self._services.log.enabled("info"):
            for verdict in verdicts:
                self._log(claim, attempt, verdict, began)

    def _log(self, claim: Claim, attempt: Attempt, verdict: RecipientVerdict, began: float) -> None:
        message, recipient = claim.message, verdict.recipient
        given = recipient.original
        original = f" orig_to=<{given}>," if given and given != recipient.address else ""
        inside = f" [{verdict.result.inside}]" if verdict.result.inside else ""
        delays = (
            claim.claimed - message.arrived,
            began - claim.claimed,
            attempt.connect_seconds,
            attempt.send_seconds,
        )
        self._services.log.info(
            f"{message.id}: to=<{recipient.address}>,{original} relay={verdict.result.host},"
            f" delay={max(self._services.clock.now() - message.arrived, 0):.2f},"
            f" delays={'/'.join(f'{max(part, 0):.2g}' for part in delays)}, dsn={status_of(verdict.reply)},"
            f" status={verdict.status} ({verdict.reply}){inside}",
            QUEUE_ID=message.id,
            MESSAGE_ID=message.message_id,
        )

    def give_back(self, claims: Sequence[Claim]) -> None:
        """Release claims that were never begun."""
        for claim in claims:
            self._services.outbox.release(claim)

    def use(self, courier: SmtpCourier, schedule: Schedule) -> None:
        """Use new settings for deliveries that begin from now on."""
        self._services.courier = courier
        self.schedule = schedule

    async def stop(self) -> None:
        """Wait for reports that are being written."""
        while self._reporting:
            await asyncio.wait(set(self._reporting))


def _nothing(claim: Claim, result: Result) -> Attempt:
    return Attempt([result] * len(claim.recipients))


def _kept(verdict: RecipientVerdict, due: float) -> RecipientVerdict:
    outcome = verdict.outcome._replace(
        due=due,
        host=verdict.result.host,
        status=status_of(verdict.reply),
        reply=str(verdict.reply),
        warned=verdict.recipient.warned,
    )
    return verdict._replace(status="deferred", outcome=outcome)
