"""Mailbox names on the wire: modified UTF-7. RFC 3501 section 5.1.3.

Room rule: one name has one spelling. A name that this server would write in another way is refused, so that no two
spellings lead to one mailbox and no octet of a path hides in base64.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Final

_LONGEST: Final = 2048  # octets on the wire; the store limits names further
_SHIFTED: Final = re.compile(rb"&([A-Za-z0-9+,]*+)-")
_DIRECT: Final = re.compile(rb"(?:[ -%'-~]|&[A-Za-z0-9+,]*+-)*+\Z")
_FOREIGN: Final = re.compile(r"[^ -~]+|&")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class BadName(ValueError):
    """The name is not modified UTF-7, or has control characters."""


def decode(octets: bytes) -> str:
    """Return the mailbox name; INBOX in any case becomes `INBOX`, also as the first of several levels.

    Raises BadName.
    """
    name = decode_pattern(octets)
    if name[:5].upper() == "INBOX" and (len(name) == 5 or name[5] == "/"):
        return "INBOX" + name[5:]
    return name


def decode_pattern(octets: bytes) -> str:
    """Return a LIST pattern or reference, without treating INBOX specially. Raises BadName."""
    if len(octets) > _LONGEST or not _DIRECT.match(octets):
        raise BadName("mailbox name is not modified UTF-7")
    try:
        name = _SHIFTED.sub(_unshift, octets).decode("utf-8")
    except (Base64Error, UnicodeDecodeError):
        raise BadName("mailbox name is not modified UTF-7") from None
    if _CONTROL.search(name) or encode(name) != octets:
        raise BadName("mailbox name is not modified UTF-7")
    return name


def encode(name: str) -> bytes:
    """Return a name as it is sent, not yet quoted."""
    return _FOREIGN.sub(_shift, name).encode("ascii") if not _plain(name) else name.encode("ascii")


def _plain(name: str) -> bool:
    return name.isascii() and name.isprintable() and "&" not in name


def _unshift(found: re.Match[bytes]) -> bytes:
    if not found[1]:
        return b"&"
    padded = found[1].replace(b",", b"/") + b"=" * (-len(found[1]) % 4)
    return b64decode(padded, validate=True).decode("utf-16-be").encode("utf-8")


def _shift(found: re.Match[str]) -> str:
    if found[0] == "&":
        return "&-"
    octets = found[0].encode("utf-16-be")
    return "&" + b64encode(octets).decode().rstrip("=").replace("/", ",") + "-"
