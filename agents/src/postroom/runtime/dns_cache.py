"""A cache of DNS answers. Asking the host's resolver again would cost more than the rest of a small message.

Answers are kept for as long as their records say, but at most a minute, so that flushing the resolver's cache soon
takes effect here. Negative answers are kept as RFC 2308 section 5 says; failures are not kept.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import dns.message
import dns.rdtypes.ANY.SOA

from postroom.policy.lookups import Answer, LookupStatus, Query

LONGEST: Final = 60.0  # seconds
MOST: Final = 2000  # answers
LARGEST: Final = 4096  # octets or characters of records in an answer that is kept


class DnsCache:
    """The cache of one process. `steady` is a clock in seconds."""

    def __init__(self, steady: Callable[[], float]) -> None:
        self._steady = steady
        self._known: OrderedDict[Query, tuple[float, Answer]] = OrderedDict()

    def get(self, query: Query) -> Answer | None:
        """Return the cached answer, or None if there is none or it has expired."""
        until, answer = self._known.get(query, (0.0, None))
        return answer if until > self._steady() else None

    def keep(self, query: Query, answer: Answer, seconds: float) -> None:
        """Cache an answer. When the cache is full the oldest is dropped."""
        if seconds <= 0 or answer.status is LookupStatus.TEMPORARY or _size(answer) > LARGEST:
            return
        self._known[query] = self._steady() + min(seconds, LONGEST), answer
        self._known.move_to_end(query)
        if len(self._known) > MOST:
            self._known.popitem(last=False)


def _size(answer: Answer) -> int:
    return sum(len(record) for record in answer.records)


def lifetime(reply: dns.message.Message, *, found: bool) -> float:
    """Return the seconds for which a reply may be cached; 0 when it may not."""
    times = [float(rrset.ttl) for rrset in reply.answer]
    if not found:
        times += [
            float(min(rrset.ttl, soa.minimum))
            for rrset in reply.authority
            for soa in rrset
            if isinstance(soa, dns.rdtypes.ANY.SOA.SOA)
        ] or [0.0]
    return min(times, default=0.0)
