"""The progress of one delivery attempt: which recipients are still open, and the best result of each. No I/O.

RFC 5321 section 5.1: what one server cannot do now, the next one may.
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum

from postroom.couriers.parcel import Attempt, Parcel, Result
from postroom.wire.smtp.client import Outgoing
from postroom.wire.smtp.replies import Reply


class Weight(IntEnum):
    """How much a failure says about the message; the best-informed source comes last."""

    ROUTE = 0  # DNS
    CONNECTION = 1  # no connection, or it broke
    HOST = 2  # a server refused the session
    LIMIT = 3  # the server's limits are too small for this message
    JUDGEMENT = 4  # a reply to the sender, a recipient or the message


class DeliveryProgress:
    """Collects results. `open` holds the numbers of the recipients that another server may still accept."""

    def __init__(self, outgoing: Outgoing, parcel: Parcel) -> None:
        self.parcel = parcel
        self.open = list(range(len(outgoing.recipients)))
        self.offered: set[str] = set()  # servers that have been offered this message
        self.begun = False  # whether a new connection was tried, beyond idle sessions
        self._converted: tuple[Parcel | Reply | None] | None = None
        self.tls = ""
        self.send_seconds = 0.0
        self._outgoing = outgoing
        self._closed: dict[int, Result] = {}
        self._best: dict[int, tuple[tuple[bool, Weight], Result]] = {}
        self._talked = False

    @property
    def taken(self) -> dict[int, Result]:
        """Return the results of accepted recipients by number."""
        return {number: result for number, result in self._closed.items() if result.reply.positive}

    def offer(self, parcel: Parcel) -> Outgoing:
        """Return the envelope for the next server, without recipients that are done."""
        recipients = tuple(self._outgoing.recipients[number] for number in self.open)
        if parcel is self.parcel:
            return replace(self._outgoing, recipients=recipients)
        return replace(self._outgoing, recipients=recipients, size=parcel.size, eight_bit=parcel.eight_bit)

    async def seven_bit(self) -> Parcel | Reply | None:
        """Return the message for servers without 8BITMIME, converted once (see Parcel)."""
        if self._converted is None:
            convert = self.parcel.seven_bit
            self._converted = (await convert() if convert is not None else None,)
        return self._converted[0]

    def close(self, number: int, result: Result) -> None:
        """Record the final result of a recipient."""
        self._closed[number] = result
        self.open.remove(number)

    def close_all(self, result: Result) -> None:
        """Record the final result of all open recipients."""
        for number in list(self.open):
            self.close(number, result)

    def fail(self, result: Result, weight: Weight) -> None:
        """Record that a server, or the way to it, failed for all open recipients."""
        self._talked = self._talked or weight >= Weight.LIMIT
        for number in self.open:
            self._note(number, result, weight)

    def judge(self, results: Sequence[tuple[Result, Weight | None]]) -> None:
        """Record one server's results for all recipients offered to it. A weight of None makes a result final."""
        for number, (result, weight) in zip(list(self.open), results, strict=True):
            self._talked = self._talked or weight in (None, Weight.JUDGEMENT)
            if weight is None:
                self.close(number, result)
            else:
                self._note(number, result, weight)

    def _note(self, number: int, result: Result, weight: Weight) -> None:
        """Keep the best result: temporary before permanent (RFC 7504 section 4), then by weight, then the latest."""
        rank = (result.reply.temporary, weight)
        known = self._best.get(number)
        if known is None or rank >= known[0]:
            self._best[number] = (rank, result)

    def attempt(self, seconds: float) -> Attempt:
        """Return the outcome after this many seconds."""
        results = [
            self._closed.get(number) or self._best[number][1]
            for number in range(len(self._outgoing.recipients))
        ]
        reached = self._talked or bool(self._closed) or all(result.reply.permanent for result in results)
        return Attempt(results, self.tls, reached, max(seconds - self.send_seconds, 0.0), self.send_seconds)


def final(reply: Reply) -> Weight | None:
    """Return the weight of a server's own reply; None for success and permanent failure (RFC 5321 section 4.2.1)."""
    return Weight.JUDGEMENT if reply.temporary else None
