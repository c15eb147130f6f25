"""DNS answers kept for as long as their records say, but not long: asking the host's resolver again costs more
than the rest of a small message.

A minute at most, so that what an operator flushes from the resolver is gone from here soon after. Negative answers
live as RFC 2308 section 5 says; failures are never kept.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import dns.message
import dns.rdtypes.ANY.SOA

from postroom.policy.lookups import Answer, Query, Status

LONGEST: Final = 60.0  # seconds
MOST: Final = 2000  # answers
LARGEST: Final = 4096  # octets or characters of records in an answer that is kept


class Answers:
    """The answers of one process. `steady` is a clock in seconds."""

    def __init__(self, steady: Callable[[], float]) -> None:
        self._steady = steady
        self._known: OrderedDict[Query, tuple[float, Answer]] = OrderedDict()

    def get(self, query: Query) -> Answer | None:
        """The answer, while it is good."""
        until, answer = self._known.get(query, (0.0, None))
        return answer if until > self._steady() else None

    def keep(self, query: Query, answer: Answer, seconds: float) -> None:
        """Remember an answer; the oldest goes when there are too many."""
        if seconds <= 0 or answer.status is Status.TEMPORARY or _size(answer) > LARGEST:
            return
        self._known[query] = self._steady() + min(seconds, LONGEST), answer
        self._known.move_to_end(query)
        if len(self._known) > MOST:
            self._known.popitem(last=False)


def _size(answer: Answer) -> int:
    return sum(len(record) for record in answer.records)


def lifetime(reply: dns.message.Message, *, found: bool) -> float:
    """For how many seconds a reply is good: 0 when it may not be kept."""
    times = [float(rrset.ttl) for rrset in reply.answer]
    if not found:
        times += [
            float(min(rrset.ttl, soa.minimum))
            for rrset in reply.authority
            for soa in rrset
            if isinstance(soa, dns.rdtypes.ANY.SOA.SOA)
        ] or [0.0]
    return min(times, default=0.0)
