"""The rank test against figures that another program (SciPy 1.17, asymptotic, with continuity) gives."""

import pytest

from ..mann_whitney import likelihood

STEPS = list(range(1, 31))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (STEPS, [value + 4 for value in range(1, 41)], 0.0019083290547639617),
        ([1, 1, 2, 3, 3, 3, 4, 5] * 4, [2, 3, 3, 4, 4, 5, 5, 6] * 4, 0.0006609436407437762),
        (STEPS, STEPS, 1.0),
        ([1.0] * 30, [1.0] * 20, 1.0),
    ],
    ids=["no ties", "many ties", "the same", "nothing but ties"],
)
def test_likelihood(first: list[float], second: list[float], expected: float) -> None:
    assert likelihood(first, second) == pytest.approx(expected, rel=1e-9)
    assert likelihood(second, first) == pytest.approx(expected, rel=1e-9)


def test_a_shift_of_a_tenth_of_the_spread_is_seen_in_two_thousand() -> None:
    even = [float(value) for value in range(2000)]
    assert (
        likelihood(even, [value + 60 for value in even])
        < 0.01
        < likelihood(even, [value + 10 for value in even])
    )
