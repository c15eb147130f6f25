"""LIST wildcards. RFC 3501 section 6.3.8: `*` matches anything, `%` anything within one level.

Room rule: a hostile pattern costs at most linear work per level of a name. Every piece between wildcards is matched at
its earliest position and never tried again (atomic groups). No match is lost by that: an earlier end can reach all that
a later one can, as long as no level ends in between.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final

LONGEST: Final = 1024  # characters; more than any name has

_WILD: Final = re.compile(r"[*%]*\*[*%]*|%+")


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a mailbox name (NFC) matches; INBOX at the start matches in any case."""
    if len(pattern) > LONGEST:
        return lambda name: False
    pattern = unicodedata.normalize("NFC", pattern)
    if pattern[:5].upper() == "INBOX" and (len(pattern) == 5 or pattern[5] in "/*%"):
        pattern = "INBOX" + pattern[5:]
    simple = _WILD.sub(lambda run: "*" if "*" in run[0] else "%", pattern)
    if simple == "*":
        return lambda name: True
    if "*" not in simple and "%" not in simple:
        return simple.__eq__
    compiled = re.compile(_expression(simple), re.DOTALL)
    return lambda name: compiled.match(name) is not None


def _expression(pattern: str) -> str:
    segments = pattern.split("*")
    if len(segments) == 1:
        return _segment(segments[0], last=True)
    first = f"(?>{_segment(segments[0], last=False)})"
    middle = "".join(f"(?>.*?{_segment(segment, last=False)})" for segment in segments[1:-1])
    return first + middle + _tail(segments[-1])


def _tail(segment: str) -> str:
    """Return the expression for what follows the last `*`, up to the end of the name."""
    if "%" not in segment:
        return f".*{re.escape(segment)}\\Z"
    if "/" in segment:
        return f".*?{_segment(segment, last=True)}"
    pieces = [re.escape(piece) for piece in segment.split("%")]
    # No piece crosses a level, so all of them lie in the last one.
    chain = "".join(f"(?>[^/]*?{piece})" for piece in pieces[:-1])
    return f"(?:.*/)?+{chain}[^/]*{pieces[-1]}\\Z"


def _segment(segment: str, *, last: bool) -> str:
    pieces = [re.escape(piece) for piece in segment.split("%")]
    if not last:
        # `%` before `*` may match nothing, since `*` continues from there.
        return pieces[0] + "".join(f"(?>[^/]*?{piece})" for piece in pieces[1:])
    if len(pieces) == 1:
        return pieces[0] + r"\Z"
    chain = pieces[0] + "".join(f"(?>[^/]*?{piece})" for piece in pieces[1:-1])
    return f"(?>{chain})[^/]*{pieces[-1]}\\Z"
