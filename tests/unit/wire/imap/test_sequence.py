"""Sequence sets against Python's sets. RFC 3501 section 9."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.wire.imap import sequence
from postroom.wire.imap.scanner import BadSyntax
from postroom.wire.imap.sequence import NoSuchMessage

from ....cost import processor_seconds

ENDS = st.integers(1, 40).map(str) | st.just("*")
RANGES = ENDS | st.tuples(ENDS, ENDS).map(":".join)
SETS = st.lists(RANGES, min_size=1, max_size=8).map(",".join)
UIDS = st.sets(st.integers(1, 45), max_size=30).map(sorted)


def meant(text: str, largest: int) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        ends = [largest if end == "*" else int(end) for end in part.split(":")]
        found |= set(range(min(ends), max(ends) + 1))
    return found


@given(SETS, UIDS)
def test_uids(text: str, uids: list[int]) -> None:
    spans = sequence.parse(text.encode()).spans(uids)
    chosen = sequence.select(array("I", uids), spans)
    assert list(chosen) == sorted(meant(text, uids[-1] if uids else 0) & set(uids))


@given(SETS, st.integers(0, 40))
def test_numbers(text: str, count: int) -> None:
    wanted = meant(text, count)
    if max(wanted) > count or min(wanted) < 1:
        with pytest.raises(NoSuchMessage):
            sequence.parse(text.encode()).numbers(count)
        return
    spans = sequence.parse(text.encode()).numbers(count)
    assert {number for low, high in spans for number in range(low, high + 1)} == wanted
    assert sum(high - low + 1 for low, high in spans) == len(wanted)


@given(UIDS)
def test_compact_reads_back(uids: list[int]) -> None:
    text = sequence.compact(uids)
    assert (text == b"") == (not uids)
    if uids:
        assert meant(text.decode(), 0) == set(uids)


def test_pairs_keep_their_order() -> None:
    assert sequence.in_order((3, 4, 5)) == b"3:5"
    assert sequence.in_order((5, 3, 4)) == b"5,3,4"


@pytest.mark.parametrize(
    "text", [b"", b"0", b"1,", b"1:", b":1", b"01", b"4294967296", b"1:2:3", b"**", b"1" * 30]
)
def test_other_texts_are_no_sets(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        sequence.parse(text)


def test_hostile_ranges_cost_nothing() -> None:
    text = b",".join([b"1:4294967295", b"*:1"] * 3000)
    uids = array("I", range(1, 100_001))
    assert sequence.parse(text).spans(uids) == ((1, 100_000),)
    assert processor_seconds(lambda: sequence.parse(text).spans(uids), 0.5) < 0.5
