"""Submission limits over a rolling day."""

import pytest
from postroom.policy.limits import Allowance, Use, allowance, hour_of, oldest_counted, within

DEFAULT = Allowance(100, 500)


@pytest.mark.parametrize(
    ("use", "recipients", "fits"),
    [
        (Use(), 1, True),
        (Use(99, 0), 1, True),
        (Use(100, 0), 1, False),
        (Use(0, 499), 1, True),
        (Use(0, 499), 2, False),
    ],
)
def test_within(use: Use, recipients: int, fits: bool) -> None:
    assert within(use, recipients, DEFAULT) is fits


def test_own_limits_come_first() -> None:
    assert allowance(0, 0, DEFAULT) == DEFAULT
    assert allowance(5, 0, DEFAULT) == Allowance(5, 500)
    assert allowance(0, 7, DEFAULT) == Allowance(100, 7)


def test_a_day_of_hours() -> None:
    now = 1_790_000_000.5
    assert hour_of(now) - oldest_counted(now) == 24
    assert hour_of(now + 3600) == hour_of(now) + 1
