"""Message flags. RFC 3501 section 2.3.2, RFC 5788 for keywords.

Room rule: system flags have one spelling (`\\Seen`), keywords stay as the client wrote them. Two keywords that differ
only in case are the same (RFC 3501 section 9, rule 1).
"""

import re
from collections.abc import Iterable
from typing import Final

SEEN: Final = "\\Seen"
ANSWERED: Final = "\\Answered"
FLAGGED: Final = "\\Flagged"
DELETED: Final = "\\Deleted"
DRAFT: Final = "\\Draft"
RECENT: Final = "\\Recent"  # belongs to a session and is never stored

SYSTEM_FLAGS: Final = (SEEN, ANSWERED, FLAGGED, DELETED, DRAFT)
MAX_KEYWORD: Final = 100

_BY_LOWER: Final = {flag.lower(): flag for flag in SYSTEM_FLAGS}
_KEYWORD: Final = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]{1,100}")  # atom, RFC 3501 section 9


class FlagError(ValueError):
    """The text is not a flag that a message can have."""


def flag(text: str) -> str:
    """Return a flag in its stored form: `\\SEEN` becomes `\\Seen`, a keyword is unchanged.

    Raises FlagError: unknown system flag (`\\Recent` too), not an atom, or longer than 100 characters.
    """
    if text.startswith("\\"):
        known = _BY_LOWER.get(text.lower())
        if known is None:
            raise FlagError("no such system flag")
        return known
    if not _KEYWORD.fullmatch(text):
        raise FlagError("a keyword is an atom of at most 100 characters")
    return text


def system_bits(flags: Iterable[str]) -> int:
    """Return the system flags among these as a bit field."""
    return sum(_BITS.get(name, 0) for name in set(flags))


def keywords(flags: Iterable[str]) -> tuple[str, ...]:
    """Return the keywords among these, sorted, each in one spelling."""
    found = {name.lower(): name for name in sorted(flags, reverse=True) if not name.startswith("\\")}
    return tuple(sorted(found.values()))


def flag_set(bits: int, words: str = "") -> frozenset[str]:
    """Reverse `system_bits` and `keywords` (joined by spaces)."""
    if not words:
        return _SETS[bits]
    return _SETS[bits].union(words.split(" "))


_BITS: Final = {name: 1 << index for index, name in enumerate(SYSTEM_FLAGS)}
SEEN_BIT: Final = _BITS[SEEN]
DELETED_BIT: Final = _BITS[DELETED]
SYSTEM_BITS: Final = (1 << len(SYSTEM_FLAGS)) - 1  # all of them
_SETS: Final = tuple(
    frozenset(name for name, bit in _BITS.items() if bits & bit) for bits in range(1 << len(SYSTEM_FLAGS))
)
