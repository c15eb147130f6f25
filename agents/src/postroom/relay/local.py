"""Delivery to mailboxes of this host: several LMTP connections to the mda, kept open, fed from one backlog."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from postroom.contracts.errors import MailError
from postroom.contracts.outbox import Claim, MemoryContent, QueuedContent
from postroom.couriers.lmtp import Errand, LmtpLine
from postroom.couriers.parcel import Attempt, Parcel, Result, fault, unreadable
from postroom.relay.parcels import INLINE, ParcelMaker, Unfit
from postroom.wire.smtp.client import Outgoing

_NOTHING: Final = MemoryContent(b"\r\n")

Concluded = Callable[[Claim, Attempt, QueuedContent, float], None]


class LocalDelivery:
    """Takes claims for mailboxes. `conclude` gets each claim with its attempt and the time when that began."""

    def __init__(
        self,
        lines: list[LmtpLine],
        maker: ParcelMaker,
        load: Callable[[Claim], Awaitable[QueuedContent]],
        conclude: Concluded,
        now: Callable[[], float],
    ) -> None:
        self._idle = list(lines)
        self._maker = maker
        self._load = load
        self._conclude = conclude
        self._now = now
        self._backlog: deque[tuple[Claim, QueuedContent, Parcel]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False
        self.held = 0  # recipients that are claimed and not concluded

    def submit(self, claim: Claim) -> bool:
        """Take a claim; return False when stopped."""
        if self._stopped:
            return False
        self.held += len(claim.recipients)
        if claim.content is not None and claim.content.size <= INLINE and claim.content.in_memory is not None:
            try:
                self._enqueue(claim, claim.content, self._maker.make_local(claim, claim.content))
            except Unfit as unfit:
                self._refuse(claim, claim.content, Result(unfit.reply))
            except Exception as error:  # a fault of ours must not end the work on the partition
                self._refuse(claim, claim.content, fault(type(error).__name__))
        else:
            self._keep(asyncio.ensure_future(self._prepare(claim)))
        return True

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _prepare(self, claim: Claim) -> None:
        content = claim.content
        try:
            content = content or await self._load(claim)
            parcel = await self._maker.make(claim, content)
        except Unfit as unfit:
            assert content is not None
            self._refuse(claim, content, Result(unfit.reply))
        except MailError as error:
            self._refuse(claim, _NOTHING, unreadable(error))
        except Exception as error:  # a fault of ours must neither lose the claim nor occupy its room
            self._refuse(claim, content or _NOTHING, fault(type(error).__name__))
        else:
            self._enqueue(claim, content, parcel)

    def _refuse(self, claim: Claim, content: QueuedContent, result: Result) -> None:
        self.held -= len(claim.recipients)
        self._conclude(claim, Attempt([result] * len(claim.recipients)), content, self._now())

    def _enqueue(self, claim: Claim, content: QueuedContent, parcel: Parcel) -> None:
        self._backlog.append((claim, content, parcel))
        if self._idle:
            line = self._idle.pop()
            self._keep(asyncio.ensure_future(self._work(line)))

    async def _work(self, line: LmtpLine) -> None:
        try:
            await line.run(self._next)
        finally:
            self._idle.append(line)

    def _next(self) -> Errand | None:
        if not self._backlog:
            return None
        claim, content, parcel = self._backlog.popleft()
        began = self._now()

        def done(attempt: Attempt) -> None:
            self.held -= len(claim.recipients)
            self._conclude(claim, attempt, content, began)

        recipients = tuple((one.address, "") for one in claim.recipients)
        message = claim.message
        outgoing = Outgoing(
            claim.sender, recipients, parcel.size, parcel.eight_bit, message.id, message.envid, message.ret
        )
        return Errand(outgoing, parcel, done)

    def drop_backlog(self) -> list[Claim]:
        """Return the claims that were not begun, and forget them: the mda cannot be reached."""
        waiting = [claim for claim, _, _ in self._backlog]
        self._backlog.clear()
        self.held -= sum(len(claim.recipients) for claim in waiting)
        return waiting

    async def stop(self) -> list[Claim]:
        """Begin nothing more and finish what runs; return the claims that were not begun."""
        self._stopped = True
        waiting = self.drop_backlog()
        while self._tasks:
            await asyncio.wait(set(self._tasks))
            waiting += self.drop_backlog()
        for line in self._idle:
            line.close()
        return waiting
