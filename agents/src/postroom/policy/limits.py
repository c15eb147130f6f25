"""How much one account may submit. Counts are facts that come in; who keeps them is not known here.

A day is a rolling one, kept in hours: use of the last 24 full hours and the present one counts.
"""

from typing import Final, NamedTuple

HOUR: Final = 3600
HOURS: Final = 24


class Allowance(NamedTuple):
    """What an account may send in 24 hours."""

    messages: int
    recipients: int


class Use(NamedTuple):
    """What it has sent."""

    messages: int = 0
    recipients: int = 0


def hour_of(now: float) -> int:
    """The hour a use is counted in. `now`: seconds since 1970."""
    return int(now) // HOUR


def oldest_counted(now: float) -> int:
    """The first hour that still counts."""
    return hour_of(now) - HOURS


def allowance(account_messages: int, account_recipients: int, default: Allowance) -> Allowance:
    """An account's own limits, or the agent's where it has none (0)."""
    return Allowance(account_messages or default.messages, account_recipients or default.recipients)


def within(use: Use, recipients: int, allowed: Allowance) -> bool:
    """Whether one more message to that many recipients fits."""
    return use.messages + 1 <= allowed.messages and use.recipients + recipients <= allowed.recipients
