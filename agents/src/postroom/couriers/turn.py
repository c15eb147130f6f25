"""One turn of a message: who is still to be offered to a server, and the best that is known of each. No I/O.

RFC 5321 section 5.1: whatever one server cannot do now, the next one may.
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum

from postroom.couriers.parcel import Attempt, Parcel, Result
from postroom.wire.smtp.client import Outgoing
from postroom.wire.smtp.replies import Reply


class Weight(IntEnum):
    """How much a failure says about the message, the best-informed source last."""

    ROUTE = 0  # the name service
    CONNECTION = 1  # there is none, or it broke
    HOST = 2  # a server that will not talk to us
    LIMIT = 3  # what a server offers is too little for this message
    JUDGEMENT = 4  # a reply to the sender, a recipient or the message


class Turn:
    """Collects results. `open`: numbers of the recipients that another server may still take."""

    def __init__(self, outgoing: Outgoing, parcel: Parcel) -> None:
        self.parcel = parcel
        self.open = list(range(len(outgoing.recipients)))
        self.offered: set[str] = set()  # servers that have had this message in hand
        self.begun = False  # with a server, beside sessions that were there
        self._converted: tuple[Parcel | Reply | None] | None = None
        self.tls = ""
        self.send_seconds = 0.0
        self._outgoing = outgoing
        self._closed: dict[int, Result] = {}
        self._best: dict[int, tuple[tuple[bool, Weight], Result]] = {}
        self._talked = False

    @property
    def taken(self) -> dict[int, Result]:
        """Recipients for whom a server has the message, by number."""
        return {number: result for number, result in self._closed.items() if result.reply.positive}

    def offer(self, parcel: Parcel) -> Outgoing:
        """The envelope for the next server: who was taken or refused for good is not in it."""
        recipients = tuple(self._outgoing.recipients[number] for number in self.open)
        if parcel is self.parcel:
            return replace(self._outgoing, recipients=recipients)
        return replace(self._outgoing, recipients=recipients, size=parcel.size, eight_bit=parcel.eight_bit)

    async def seven_bit(self) -> Parcel | Reply | None:
        """The message for servers that take no eight bits, converted once (see Parcel)."""
        if self._converted is None:
            convert = self.parcel.seven_bit
            self._converted = (await convert() if convert is not None else None,)
        return self._converted[0]

    def close(self, number: int, result: Result) -> None:
        """Nothing further happens to a recipient in this turn."""
        self._closed[number] = result
        self.open.remove(number)

    def close_all(self, result: Result) -> None:
        """Nothing further happens to anybody in this turn."""
        for number in list(self.open):
            self.close(number, result)

    def fail(self, result: Result, weight: Weight) -> None:
        """A server (or the way to it) failed for everybody who is left."""
        self._talked = self._talked or weight >= Weight.LIMIT
        for number in self.open:
            self._note(number, result, weight)

    def judge(self, results: Sequence[tuple[Result, Weight | None]]) -> None:
        """One server's results for all who were offered to it; a weight of None ends the turn for the recipient."""
        for number, (result, weight) in zip(list(self.open), results, strict=True):
            self._talked = self._talked or weight in (None, Weight.JUDGEMENT)
            if weight is None:
                self.close(number, result)
            else:
                self._note(number, result, weight)

    def _note(self, number: int, result: Result, weight: Weight) -> None:
        """Keep the best: what may work later before what never will (RFC 7504 section 4), then by weight, then age."""
        rank = (result.reply.temporary, weight)
        known = self._best.get(number)
        if known is None or rank >= known[0]:
            self._best[number] = (rank, result)

    def attempt(self, seconds: float) -> Attempt:
        """What the turn came to after so many seconds."""
        results = [
            self._closed.get(number) or self._best[number][1]
            for number in range(len(self._outgoing.recipients))
        ]
        reached = self._talked or bool(self._closed) or all(result.reply.permanent for result in results)
        return Attempt(results, self.tls, reached, max(seconds - self.send_seconds, 0.0), self.send_seconds)


def final(reply: Reply) -> Weight | None:
    """The weight of a server's own reply: yes and never are final (RFC 5321 section 4.2.1)."""
    return Weight.JUDGEMENT if reply.temporary else None
