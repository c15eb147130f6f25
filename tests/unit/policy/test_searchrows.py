"""Search keys judged by rows: what is decided, what is left, and what numbers become."""

from datetime import date

import pytest
from postroom.contracts.account import Row
from postroom.contracts.search import (
    STAR,
    All,
    And,
    Body,
    Day,
    Flagged,
    Found,
    Key,
    Members,
    ModSeq,
    Not,
    Or,
    Recent,
    Size,
    When,
)  # fmt: skip
from postroom.policy.searchrows import judge_rows, settled

UIDS = [10, 20, 30, 40]
ROWS = [
    Row(10, frozenset({"\\Seen"}), 5, 1_700_000_000, 100),
    Row(20, frozenset({"Work"}), 6, 1_700_000_000, 200),
    Row(40, frozenset({"\\Seen", "\\Flagged"}), 7, 1_600_000_000, 300),
]
SEEN, TEXT = Flagged("\\Seen", True), Body("x", header=True)
ALL = (10, 20, 40)


@pytest.mark.parametrize(
    ("key", "matching", "undecided"),
    [
        (All(), ALL, ()),
        (SEEN, (10, 40), ()),
        (Flagged("wORK", True), (20,), ()),
        (Not(SEEN), (20,), ()),
        (And((SEEN, Size(150, True))), (40,), ()),
        (Or(Size(150, False), ModSeq(7)), (10, 40), ()),
        (Day(When.BEFORE, date(2021, 1, 1), sent=False), (40,), ()),
        (Day(When.BEFORE, date(2021, 1, 1), sent=True), (), ALL),
        (TEXT, (), ALL),
        (Not(TEXT), (), ALL),
        (And((SEEN, TEXT)), (), (10, 40)),
        (Or(SEEN, TEXT), (10, 40), (20,)),
        (Not(Or(SEEN, TEXT)), (), (20,)),
        (Members(((15, 40),), uid=True), (20, 40), ()),
        (Members((), uid=True), (), ()),
    ],
)
def test_what_rows_decide(key: Key, matching: tuple[int, ...], undecided: tuple[int, ...]) -> None:
    assert judge_rows(key, UIDS, ROWS) == Found(matching, undecided, missing=(30,))


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        (Members(((1, 1),), uid=False), Members(((10, 10),), uid=True)),
        (Members(((2, STAR),), uid=False), Members(((20, 40),), uid=True)),
        (Members(((3, 99), (STAR, STAR)), uid=False), Members(((30, 40),), uid=True)),
        (Members(((5, 9),), uid=False), Members((), uid=True)),
        (Members(((STAR, 35),), uid=True), Members(((35, 40),), uid=True)),
        (Recent(True), Members(((20, 20), (30, 30)), uid=True)),
        (Not(Recent(False)), Not(Not(Members(((20, 20), (30, 30)), uid=True)))),
        (
            And((SEEN, Or(Members(((1, 1),), uid=False), TEXT))),
            And((SEEN, Or(Members(((10, 10),), uid=True), TEXT))),
        ),
    ],
)
def test_numbers_become_uids(key: Key, wanted: Key) -> None:
    assert settled(key, UIDS, {30, 20}) == wanted


def test_numbers_of_an_empty_mailbox() -> None:
    assert settled(Members(((1, STAR),), uid=False), [], ()) == Members((), uid=True)
