"""Values to the octets of responses. RFC 3501 section 7.

Room rule: every text goes out as quoted string, literal or atom by what it holds, so no octet of a message or a
name can end a response.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from postroom.wire.imap import names

# TEXT-CHAR without quoted-specials; longer texts are cheaper as literals and no reader has to hold a line of them.
_QUOTABLE: Final = re.compile(rb"[ !#-\[\]-~\t]{0,1000}+\Z")
_ESCAPABLE: Final = re.compile(rb"[\t -~]{0,1000}+\Z")
_SPECIALS: Final = re.compile(rb'(["\\])')
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def string(octets: bytes) -> bytes:
    """A quoted string, or a literal where quoting cannot say it. NUL, which IMAP cannot carry, becomes `?`."""
    if _QUOTABLE.match(octets):
        return b'"' + octets + b'"'
    if _ESCAPABLE.match(octets):
        return b'"' + _SPECIALS.sub(rb"\\\1", octets) + b'"'
    return literal(octets.replace(b"\0", b"?"))


def nstring(octets: bytes | None) -> bytes:
    """The same, with NIL for None."""
    return b"NIL" if octets is None else string(octets)


def literal(octets: bytes) -> bytes:
    """A literal."""
    return b"{%d}\r\n%b" % (len(octets), octets)


def mailbox(name: str) -> bytes:
    """A mailbox name, always quoted."""
    return string(names.encode(name))


def flags(names_: Iterable[str]) -> bytes:
    """A parenthesized flag list, sorted, so that one set has one spelling."""
    return b"(" + " ".join(sorted(names_)).encode("ascii", "replace") + b")"


def date_time(seconds: int) -> bytes:
    """INTERNALDATE, in universal time; days before year 1 or after 9999 do not come here."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return (
        f'"{moment.day:2d}-{_MONTHS[moment.month - 1]}-{moment.year:04d}'
        f' {moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} +0000"'
    ).encode()


def untagged(*words: bytes) -> bytes:
    """An untagged response."""
    return b"* " + b" ".join(words) + b"\r\n"


def status(tag: bytes, condition: bytes, text: bytes, code: bytes = b"") -> bytes:
    """OK, NO, BAD or BYE with a response code when there is one; `tag` is `*` for untagged ones."""
    if code:
        return b"%b %b [%b] %b\r\n" % (tag, condition, code, text)
    return b"%b %b %b\r\n" % (tag, condition, text)


def continuation(text: bytes = b"") -> bytes:
    """A continuation request."""
    return b"+ " + text + b"\r\n"
