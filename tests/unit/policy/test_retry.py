"""The schedule as a table."""

from hypothesis import given
from hypothesis import strategies as st
from postroom.policy.retry import Schedule

SCHEDULE = Schedule(300.0, 14_400.0, 14_400.0, 432_000.0, 86_400.0)


@given(st.floats(0, 1e6), st.floats(0, 1))
def test_pauses_grow_with_age_within_bounds_and_jitter(age: float, chance: float) -> None:
    pause = SCHEDULE.next_attempt(1e9 + age, 1e9, chance) - (1e9 + age)
    plain = min(max(age, 300.0), 14_400.0)
    assert 0.749 * plain <= pause <= 1.251 * plain


def test_a_clock_set_back_pauses_the_minimum() -> None:
    assert SCHEDULE.next_attempt(0.0, 1e9, 0.5) == 300.0
    assert not SCHEDULE.expired(0.0, 1e9, "a@b.example")


def test_bounces_are_given_up_earlier_and_warned_never_twice() -> None:
    assert SCHEDULE.expired(86_400.0, 0.0, "")
    assert not SCHEDULE.expired(86_400.0, 0.0, "a@b.example")
    assert SCHEDULE.expired(432_000.0, 0.0, "a@b.example")
    assert SCHEDULE.warning_due(14_400.0, 0.0, False)
    assert not SCHEDULE.warning_due(14_400.0, 0.0, True)
    assert not SCHEDULE.warning_due(14_399.0, 0.0, False)
