"""A name server for closed networks: it answers from a table and forwards nothing.

For the sandbox and for tests; real domains need a real name server.
"""

import socket
from collections.abc import Mapping

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

# (name without final dot, type) to records in zone file form
Table = Mapping[tuple[str, str], tuple[str, ...]]
TTL = 60


class NameServer:
    """A table of records behind one UDP socket."""

    def __init__(self, table: Table) -> None:
        self._table = {(name.lower(), kind): records for (name, kind), records in table.items()}
        self._names = {name for name, _ in self._table}

    def serve(self, endpoint: socket.socket) -> None:
        """Answer until the socket is closed."""
        while True:
            question, client = endpoint.recvfrom(4096)
            answer = self.answer(question)
            if answer:
                endpoint.sendto(answer, client)

    def answer(self, question: bytes) -> bytes:
        """Return the reply to one datagram, or b"" if it is not a query."""
        try:
            query = dns.message.from_wire(question)
            asked = query.question[0]
            name = asked.name.to_text(omit_final_dot=True).lower()
            reply = dns.message.make_response(query, recursion_available=True)
        except (dns.exception.DNSException, IndexError):
            return b""
        kind = dns.rdatatype.to_text(asked.rdtype)
        records = self._table.get((name, kind), ())
        if records:
            reply.answer.append(
                dns.rrset.from_text(asked.name, TTL, dns.rdataclass.IN, asked.rdtype, *records)
            )
        elif not any(known == name or known.endswith("." + name) for known in self._names):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        wire: bytes = reply.to_wire(max_size=4096)
        return wire
