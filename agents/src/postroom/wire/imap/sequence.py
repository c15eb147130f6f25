"""Sets of message numbers and UIDs as ranges. RFC 3501 section 9 (sequence-set).

Room rule: sets are computed on ranges and on the ascending array of existing UIDs, so that `1:4294967295` costs no more
than `1:2`.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from postroom.contracts.search import STAR, Ranges, resolved
from postroom.wire.imap.scanner import BadSyntax


class NoSuchMessage(ValueError):
    """A message number above the number of messages (RFC 3501 section 9, seq-number)."""


class SequenceSet(msgspec.Struct, frozen=True):
    """Ranges as the client wrote them; an end may be STAR."""

    ranges: Ranges

    def resolved(self, largest: int) -> Ranges:
        """Return ascending ranges that neither overlap nor touch, with `*` replaced by `largest`."""
        return resolved(self.ranges, largest)

    def numbers(self, count: int) -> Ranges:
        """Return the ranges as numbers in a mailbox of `count` messages. Raises NoSuchMessage."""
        ranges = self.resolved(count)
        if ranges[-1][1] > count or ranges[0][0] < 1:
            raise NoSuchMessage
        return ranges

    def spans(self, uids: Sequence[int]) -> Ranges:
        """Read the set as UIDs, and return the ranges of message numbers (from 1) whose UIDs are in it."""
        largest = uids[-1] if uids else 0
        found = []
        for low, high in self.resolved(largest):
            first, last = bisect_left(uids, low), bisect_right(uids, high)
            if first < last:
                found.append((first + 1, last))
        return tuple(found)


def parse(text: bytes) -> SequenceSet:
    """Read a sequence-set. Raises BadSyntax."""
    return SequenceSet(tuple(map(_range, text.split(b","))))


def _range(text: bytes) -> tuple[int, int]:
    low, colon, high = text.partition(b":")
    first = _number(low)
    return (first, _number(high)) if colon else (first, first)


def _number(text: bytes) -> int:
    if text == b"*":
        return STAR
    if not text.isdigit() or text[:1] == b"0" or len(text) > 10 or int(text) >= STAR:
        raise BadSyntax("invalid message set")
    return int(text)


def select(uids: "array[int]", spans: Ranges) -> "array[int]":
    """Return the UIDs at these message numbers, ascending."""
    if len(spans) == 1:
        low, high = spans[0]
        return uids[low - 1 : high]
    chosen = array("I")
    for low, high in spans:
        chosen += uids[low - 1 : high]
    return chosen


def compact(numbers: Iterable[int]) -> bytes:
    """Return ascending numbers as the shortest set (`1:3,7`), empty for no numbers."""
    parts: list[str] = []
    first = last = -1
    for number in numbers:
        if number == last + 1 and first >= 0:
            last = number
            continue
        if first >= 0:
            parts.append(_text(first, last))
        first = last = number
    if first >= 0:
        parts.append(_text(first, last))
    return ",".join(parts).encode()


def _text(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}:{last}"


def in_order(numbers: Sequence[int]) -> bytes:
    """Return numbers in the given order, for COPYUID, whose sets pair up by position (RFC 4315 section 3)."""
    ascending = all(left < right for left, right in pairwise(numbers))
    return compact(numbers) if ascending else b",".join(b"%d" % number for number in numbers)
