"""How much one account may submit. The counts are arguments; this module does not know who keeps them.

A day is a rolling one, counted in hours: the last 24 full hours and the present one.
"""

from typing import Final, NamedTuple

HOUR: Final = 3600
HOURS: Final = 24


class Allowance(NamedTuple):
    """What an account may send in 24 hours."""

    messages: int
    recipients: int


class Use(NamedTuple):
    """What an account has sent."""

    messages: int = 0
    recipients: int = 0


def hour_of(now: float) -> int:
    """Return the hour in which a use is counted. `now`: seconds since 1970."""
    return int(now) // HOUR


def oldest_counted(now: float) -> int:
    """Return the first hour that still counts."""
    return hour_of(now) - HOURS


def allowance(account_messages: int, account_recipients: int, default: Allowance) -> Allowance:
    """Return an account's own limits, or the agent's where it has none (0)."""
    return Allowance(account_messages or default.messages, account_recipients or default.recipients)


def within(use: Use, recipients: int, allowed: Allowance) -> bool:
    """Return whether one more message to this many recipients is allowed."""
    return use.messages + 1 <= allowed.messages and use.recipients + recipients <= allowed.recipients
