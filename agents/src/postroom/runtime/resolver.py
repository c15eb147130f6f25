"""DNS lookups through the host's own validating resolver. Only this module uses dnspython.

The AD flag counts only if the resolver is on the loopback interface: on any other path somebody could have set it (RFC
4035 section 4.9.3).
"""

import asyncio
import ipaddress
import time
from collections.abc import Generator
from typing import TypeVar

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.TXT
import dns.rrset

from postroom.policy.lookups import Answer, LookupStatus, Mx, Query, Record
from postroom.runtime.dns_cache import DnsCache, lifetime

T = TypeVar("T")
TRY_SECONDS = (2.0, 4.0, 8.0)


class Resolver:
    """Queries one resolver at `HOST:PORT`, by UDP, and by TCP after a truncated answer."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._host = host.strip("[]")
        self._port = int(port)
        self._trusted = ipaddress.ip_address(self._host).is_loopback
        self._answers = DnsCache(time.monotonic)

    async def lookup(self, query: Query) -> Answer:
        """Return the answer. A resolver that does not answer within 14 seconds counts as a temporary failure."""
        known = self._answers.get(query)
        if known is not None:
            return known
        try:
            name = dns.name.from_text(query.name)
        except dns.exception.DNSException:
            return Answer(LookupStatus.NXDOMAIN)
        request = dns.message.make_query(name, query.type.value, use_edns=0, want_dnssec=True, payload=1232)
        request.flags |= dns.flags.AD
        for seconds in TRY_SECONDS:
            try:
                reply, _ = await dns.asyncquery.udp_with_fallback(
                    request, self._host, timeout=seconds, port=self._port
                )
            except (dns.exception.DNSException, OSError, EOFError):
                continue
            answer = self._answer(query, reply)
            self._answers.keep(query, answer, lifetime(reply, found=answer.status is LookupStatus.FOUND))
            return answer
        return Answer(LookupStatus.TEMPORARY)

    def _answer(self, query: Query, reply: dns.message.Message) -> Answer:
        authenticated = self._trusted and bool(reply.flags & dns.flags.AD)
        if reply.rcode() == dns.rcode.NXDOMAIN:
            return Answer(LookupStatus.NXDOMAIN, authenticated=authenticated)
        if reply.rcode() != dns.rcode.NOERROR:
            return Answer(LookupStatus.TEMPORARY)
        wanted = dns.rdatatype.from_text(query.type.value)
        records = tuple(
            _record(query.type.value, data)
            for rrset in reply.answer
            if rrset.rdtype == wanted
            for data in rrset
        )
        return Answer(LookupStatus.FOUND if records else LookupStatus.NODATA, records, authenticated)

    async def run(
        self, steps: Generator[tuple[Query, ...], tuple[Answer, ...], T], seconds: float = 20.0
    ) -> T:
        """Run a policy: look up what it asks for, send it the answers, return its result.

        After `seconds` in total, every further lookup fails temporarily, so that the policy itself decides what that
        means.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        try:
            queries = next(steps)
            while True:
                queries = steps.send(await self._together(queries, deadline - loop.time()))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _together(self, queries: tuple[Query, ...], seconds: float) -> tuple[Answer, ...]:
        if seconds <= 0:
            return tuple(Answer(LookupStatus.TEMPORARY) for _ in queries)
        asked = [asyncio.ensure_future(self.lookup(query)) for query in queries]
        if asked:
            await asyncio.wait(asked, timeout=seconds)
        answers = []
        for task in asked:
            if task.done() and task.exception() is None:
                answers.append(task.result())
            else:
                task.cancel()
                answers.append(Answer(LookupStatus.TEMPORARY))
        return tuple(answers)


def _record(kind: str, data: object) -> Record:
    if isinstance(data, dns.rdtypes.ANY.TXT.TXT):
        return b"".join(data.strings)
    if isinstance(data, dns.rdtypes.ANY.MX.MX):
        return Mx(data.preference, data.exchange.to_text(omit_final_dot=True).rstrip("."))
    text = str(data)
    return text.rstrip(".") if kind in ("PTR", "CNAME") else text
