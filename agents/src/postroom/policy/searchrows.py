"""Search keys judged by rows alone. RFC 3501 section 6.4.4.

A predicate answers True, False, or None for a message that rows cannot decide. `combined` builds the predicate of a
tree from those of its leaves, so that a caller who knows more of a message can judge the same trees further.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime
from typing import TypeVar

from postroom.contracts.account import Row
from postroom.contracts.search import (
    All,
    And,
    Day,
    Flagged,
    Found,
    Key,
    Members,
    ModSeq,
    Not,
    Or,
    Ranges,
    Recent,
    Size,
    When,
    leaves,
    resolved,
)

M = TypeVar("M")
Judge = Callable[[M], bool | None]


def combined(key: Key, leaf: Callable[[Key], Judge[M]]) -> Judge[M]:
    """Return the tree as a function; `leaf` returns the function of a key that holds no others."""
    match key:
        case All():
            return lambda message: True
        case Not(inner):
            return _negation(combined(inner, leaf))
        case And(several):
            return _conjunction([combined(one, leaf) for one in several])
        case Or(left, right):
            return _negation(
                _conjunction([_negation(combined(left, leaf)), _negation(combined(right, leaf))])
            )
    return leaf(key)


def _negation(inner: Judge[M]) -> Judge[M]:
    def judge(message: M) -> bool | None:
        result = inner(message)
        return None if result is None else not result

    return judge


def _conjunction(several: list[Judge[M]]) -> Judge[M]:
    def judge(message: M) -> bool | None:
        result: bool | None = True
        for one in several:
            found = one(message)
            if found is False:
                return False
            if found is None:
                result = None
        return result

    return judge


def row_judge(key: Key) -> Callable[[Row], bool] | None:
    """Return the function of a key that every row decides, None for other keys."""
    match key:
        case Flagged(flag, present):
            if flag.startswith("\\"):
                return lambda row: (flag in row.flags) is present
            folded = flag.lower()  # the case of keywords does not matter
            return lambda row: any(word.lower() == folded for word in row.flags) is present
        case Size(octets, True):
            return lambda row: row.size > octets
        case Size(octets, False):
            return lambda row: row.size < octets
        case ModSeq(least):
            return lambda row: row.modseq >= least
        case Day(when, day, False):
            return lambda row: compares(when, datetime.fromtimestamp(row.internal_date, UTC).date(), day)
    return None


def compares(when: When, found: date, wanted: date) -> bool:
    """Return whether a day is before, on or since another."""
    if when is When.BEFORE:
        return found < wanted
    return found == wanted if when is When.ON else found >= wanted


def member_judge(ranges: Ranges) -> Callable[[int], bool]:
    """Return whether a number lies in one of these resolved ranges, as a function."""
    starts = [low for low, _ in ranges]

    def judge(number: int) -> bool:
        index = bisect_right(starts, number) - 1
        return index >= 0 and number <= ranges[index][1]

    return judge


def settled(key: Key, uids: Sequence[int], recent: Collection[int]) -> Key:
    """Return the key with UIDs in place of message numbers and of RECENT, which only a session knows.

    `uids` are those of all message numbers, ascending.
    """
    match key:
        case Not(inner):
            return Not(settled(inner, uids, recent))
        case And(several):
            return And(tuple(settled(one, uids, recent) for one in several))
        case Or(left, right):
            return Or(settled(left, uids, recent), settled(right, uids, recent))
        case Recent(present):
            members = Members(tuple((uid, uid) for uid in sorted(recent)), uid=True)
            return members if present else Not(members)
        case Members(ranges, False):
            numbers = ((max(low, 1), min(high, len(uids))) for low, high in resolved(ranges, len(uids)))
            spans = tuple((uids[low - 1], uids[high - 1]) for low, high in numbers if low <= high)
            return Members(spans, uid=True)
        case Members(ranges, True):
            return Members(resolved(ranges, uids[-1] if uids else 0), uid=True)
    return key


def rows_decide(key: Key) -> bool:
    """Return whether rows can decide a part of a settled key, so that it is worth while to read them."""
    return any(isinstance(leaf, Members) or row_judge(leaf) is not None for leaf in leaves(key))


def judge_rows(key: Key, uids: Sequence[int], rows: Sequence[Row]) -> Found:
    """Judge the messages of these UIDs by their rows; `key` is settled."""
    judge = combined(key, _leaf)
    matching: list[int] = []
    undecided: list[int] = []
    for row in rows:
        result = judge(row)
        if result is not False:
            (matching if result else undecided).append(row.uid)
    missing: set[int] = set(uids).difference(row.uid for row in rows) if len(rows) < len(uids) else set()
    return Found(tuple(matching), tuple(undecided), tuple(sorted(missing)))


def _leaf(key: Key) -> Judge[Row]:
    if isinstance(key, Members) and key.uid:
        member = member_judge(key.ranges)
        return lambda row: member(row.uid)
    return row_judge(key) or _undecided


def _undecided(row: Row) -> None:
    """Judge nothing: the row does not tell."""
