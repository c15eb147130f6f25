"""Values to the octets of responses. RFC 3501 section 7.

Room rule: a text is written as quoted string, literal or atom depending on its octets, so that no octet of a message or
a name can end a response.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from postroom.wire.imap import names

# TEXT-CHAR without quoted-specials. Longer texts are cheaper as literals, and spare the client long lines.
_QUOTABLE: Final = re.compile(rb"[ !#-\[\]-~\t]{0,1000}+\Z")
_ESCAPABLE: Final = re.compile(rb"[\t -~]{0,1000}+\Z")
_SPECIALS: Final = re.compile(rb'(["\\])')
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def string(octets: bytes) -> bytes:
    """Return a quoted string, or a literal where quoting is impossible. NUL, which IMAP cannot carry, becomes `?`."""
    if _QUOTABLE.match(octets):
        return b'"' + octets + b'"'
    if _ESCAPABLE.match(octets):
        return b'"' + _SPECIALS.sub(rb"\\\1", octets) + b'"'
    return literal(octets.replace(b"\0", b"?"))


def nstring(octets: bytes | None) -> bytes:
    """Return a string, or NIL for None."""
    return b"NIL" if octets is None else string(octets)


def literal(octets: bytes) -> bytes:
    """Return a literal."""
    return b"{%d}\r\n%b" % (len(octets), octets)


def mailbox(name: str) -> bytes:
    """Return a mailbox name, always quoted."""
    return string(names.encode(name))


def flags(names_: Iterable[str]) -> bytes:
    """Return a flag list in parentheses, sorted, so that one set has one spelling."""
    return b"(" + " ".join(sorted(names_)).encode("ascii", "replace") + b")"


def date_time(seconds: int) -> bytes:
    """Return INTERNALDATE in universal time, for seconds since 1970 within years 1 to 9999."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return (
        f'"{moment.day:2d}-{_MONTHS[moment.month - 1]}-{moment.year:04d}'
        f' {moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} +0000"'
    ).encode()


def untagged(*words: bytes) -> bytes:
    """Return an untagged response."""
    return b"* " + b" ".join(words) + b"\r\n"


def status(tag: bytes, condition: bytes, text: bytes, code: bytes = b"") -> bytes:
    """Return OK, NO, BAD or BYE, with a response code if given; `tag` is `*` for untagged ones."""
    if code:
        return b"%b %b [%b] %b\r\n" % (tag, condition, code, text)
    return b"%b %b %b\r\n" % (tag, condition, text)


def continuation(text: bytes = b"") -> bytes:
    """Return a continuation request."""
    return b"+ " + text + b"\r\n"
