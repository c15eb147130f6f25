"""Trace fields: Received, and loop detection by it. RFC 5321 section 4.4, RFC 3848, RFC 8314 section 7.3.

Room rule: every value is checked before it is written, since a Received field repeats a stranger's words.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from postroom.mail.headers import HeaderBlock
from postroom.mail.headertext import cleaned

_NO_NAME: Final = re.compile(r'[\t ()<>\\",;@]')  # could end a word, or begin a comment or another clause
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Arrival(NamedTuple):
    """How a message arrived. `client` is empty if it must not be shown (submission)."""

    host: str  # our name
    queue_id: str
    client: str = ""  # IP address
    helo: str = ""
    extended: bool = True
    tls_version: str = ""
    cipher: str = ""
    authenticated: bool = False
    local: bool = False
    # only for a message to one recipient, since recipients must not learn of each other
    only_recipient: str = ""


@lru_cache(maxsize=4)
def date(now: int) -> str:
    """Format a date. RFC 5322 section 3.3, in UTC. `now`: seconds since 1970."""
    moment = datetime.fromtimestamp(now, UTC)
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day} {_MONTHS[moment.month - 1]} {moment.year}"
        f" {moment.hour:02}:{moment.minute:02}:{moment.second:02} +0000"
    )


def protocol(arrival: Arrival) -> str:
    """Return the transmission type of RFC 3848."""
    if arrival.local:
        return "local"
    if not arrival.extended:
        return "SMTP"
    return f"ESMTP{'S' if arrival.tls_version else ''}{'A' if arrival.authenticated else ''}"


def received(arrival: Arrival, now: int) -> bytes:
    """Return the Received field, folded, with its line end."""
    lines = []
    if arrival.client:
        literal = f"IPv6:{arrival.client}" if ":" in arrival.client else arrival.client
        lines.append(f"from {_NO_NAME.sub('?', cleaned(arrival.helo)) or 'unknown'} ([{literal}])")
    if arrival.tls_version:
        lines.append(f"(using {arrival.tls_version} with cipher {arrival.cipher})")
    lines.append(f"by {arrival.host} (Postroom) with {protocol(arrival)} id {arrival.queue_id}")
    if arrival.only_recipient:
        lines.append(f"for <{cleaned(arrival.only_recipient, limit=320)}>")
    text = "\r\n\t".join(lines)
    return f"Received: {text};\r\n\t{date(now)}\r\n".encode("ascii", "replace")


def hops(block: HeaderBlock) -> int:
    """Count the Received fields: the servers that a message has passed (RFC 5321 section 6.3)."""
    return sum(field.key == b"received" for field in block.fields)
