"""Search criteria as a tree. RFC 3501 section 6.4.4, RFC 7162 section 3.1.5.

The tree says what the client asked for; nothing here knows a message.
"""

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import Final

import msgspec

STAR: Final = 1 << 32  # `*`, the largest number there is: above every other
Ranges = tuple[tuple[int, int], ...]


class All(msgspec.Struct, frozen=True):
    """Every message."""


class Flagged(msgspec.Struct, frozen=True):
    """A flag is set, or is not."""

    flag: str
    present: bool


class Recent(msgspec.Struct, frozen=True):
    """The session is the first to see the message, or is not."""

    present: bool


class Header(msgspec.Struct, frozen=True):
    """HEADER: a field of this name (upper case) holds the text; an empty text asks for the field alone."""

    name: bytes
    text: str


class InEnvelope(msgspec.Struct, frozen=True):
    """FROM, TO, CC, BCC and SUBJECT: what ENVELOPE shows under this name (upper case) holds the text."""

    name: bytes
    text: str


class Body(msgspec.Struct, frozen=True):
    """The body holds the text; with `header` the header may hold it too (TEXT)."""

    text: str
    header: bool


class Size(msgspec.Struct, frozen=True):
    """Larger or smaller than so many octets."""

    octets: int
    larger: bool


class When(StrEnum):
    """How a message's day compares."""

    BEFORE = "before"
    ON = "on"
    SINCE = "since"


class Day(msgspec.Struct, frozen=True):
    """The internal date, or with `sent` the Date field, compares so to a day. Time and zone do not matter."""

    when: When
    day: date
    sent: bool


class Members(msgspec.Struct, frozen=True):
    """The message number, or with `uid` the UID, lies in one of these ranges; an end may be STAR."""

    ranges: Ranges
    uid: bool


class ModSeq(msgspec.Struct, frozen=True):
    """The mod-sequence is at least this."""

    least: int


class Not(msgspec.Struct, frozen=True):
    """The key does not hold."""

    key: "Key"


class And(msgspec.Struct, frozen=True):
    """All keys hold."""

    keys: tuple["Key", ...]


class Or(msgspec.Struct, frozen=True):
    """One key holds at least."""

    left: "Key"
    right: "Key"


class Found(msgspec.Struct, frozen=True):
    """What an engine says about a search; all UIDs ascending."""

    matching: tuple[int, ...]
    undecided: tuple[int, ...] = ()  # the caller has to read these messages
    missing: tuple[int, ...] = ()  # these messages do not exist any more


Key = All | Flagged | Recent | Header | InEnvelope | Body | Size | Day | Members | ModSeq | Not | And | Or


def leaves(key: Key) -> Iterator[Key]:
    """Yield the keys of the tree that hold no others."""
    waiting = [key]
    while waiting:
        match waiting.pop():
            case Not(inner):
                waiting.append(inner)
            case And(keys):
                waiting += keys
            case Or(left, right):
                waiting += (left, right)
            case leaf:
                yield leaf


def resolved(ranges: Ranges, largest: int) -> Ranges:
    """Return ascending ranges that neither overlap nor touch, with STAR replaced by `largest`."""
    plain = sorted(_ordered(low, high, largest) for low, high in ranges)
    merged: list[tuple[int, int]] = []
    for low, high in plain:
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _ordered(low: int, high: int, largest: int) -> tuple[int, int]:
    low = largest if low == STAR else low
    high = largest if high == STAR else high
    return (low, high) if low <= high else (high, low)
