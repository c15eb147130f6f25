"""The range of times that a date with a four-digit year can express in any zone."""

from typing import Final

EARLIEST: Final = -62_135_596_800  # 0001-01-01 00:00:00, seconds since 1970
LATEST: Final = 253_402_300_799  # 9999-12-31 23:59:59


def clamped(seconds: int) -> int:
    """Return the nearest time within the range; `seconds` count from 1970."""
    return min(max(seconds, EARLIEST), LATEST)
