"""Writing header fields. RFC 5322 sections 2.2.3 and 2.1.1.

Room rule: no octet passes that could begin another line or field (RFC 5322 section 2.2: only printable US-ASCII, space
and tab). Text that is not ASCII has to be encoded first (RFC 2047).
"""

import re
from typing import Final

FOLD_AT: Final = 78  # RFC 5322 section 2.1.1, without the line end
_LONGEST: Final = 998

_NAME: Final = re.compile(r"[!-9;-~]+\Z")
_UNSAFE: Final = re.compile(r"[^\t -~]")


class UnsafeText(ValueError):
    """A name or value contains an octet that a header field must not contain."""


def safe(text: str) -> bool:
    """Return whether a text may be written in a field as it is."""
    return _UNSAFE.search(text) is None


def cleaned(text: str, *, limit: int = 200) -> str:
    """Make foreign text safe for a field: replace unsafe characters with `?` and limit the length."""
    return _UNSAFE.sub("?", text[:limit])


def field(name: str, value: str) -> bytes:
    """Return one complete field, folded before spaces, with its line end.

    Raises UnsafeText for control characters, for anything that is not ASCII, and for a word that is too long for a line
    (998 octets).
    """
    if not _NAME.match(name):
        raise UnsafeText("not a field name")
    if not safe(value):
        raise UnsafeText(f"control or non-ASCII character in the value of {name}")
    line = f"{name}: {value.strip()}"
    if len(line) <= FOLD_AT:
        return line.encode("ascii") + b"\r\n"
    return _folded(line).encode("ascii") + b"\r\n"


def _folded(line: str) -> str:
    """Fold greedily. A run of spaces stays with the word after it, so that unfolding returns `line`."""
    lines: list[str] = []
    current = ""
    for word in re.findall(r"[ \t]*[^ \t]+", line):
        if len(word) > _LONGEST:
            raise UnsafeText("a word is longer than a line can be")
        # Keep the name with the first word: a first line without text is obsolete (RFC 5322 section 4.2).
        if current and len(current) + len(word) > FOLD_AT and not (current.endswith(":") and not lines):
            lines.append(current)
            current = ""
        current += word
    lines.append(current)
    if max(map(len, lines)) > _LONGEST:
        raise UnsafeText("a word is longer than a line can be")
    return "\r\n".join(lines)
