"""The range of dates that can be shown."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail.dates import EARLIEST, LATEST, clamped


def test_the_ends_are_the_first_and_the_last_second() -> None:
    assert datetime.fromtimestamp(EARLIEST, UTC) == datetime(1, 1, 1, tzinfo=UTC)
    assert datetime.fromtimestamp(LATEST, UTC) == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    for beyond in (EARLIEST - 1, LATEST + 1):
        with pytest.raises(ValueError, match="year"):
            datetime.fromtimestamp(beyond, UTC)


@given(st.integers())
def test_every_moment_can_be_shown_once_it_is_clamped(seconds: int) -> None:
    shown = datetime.fromtimestamp(clamped(seconds), UTC)
    assert 1 <= shown.year <= 9999
    if EARLIEST <= seconds <= LATEST:
        assert clamped(seconds) == seconds
