"""When a message is tried again, when its sender is warned, when it is given up. RFC 5321 section 4.5.4.1."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """Times in seconds."""

    minimum: float
    maximum: float
    warn_after: float
    expire_after: float
    expire_bounce_after: float  # for the null sender: nobody waits for those

    def next_attempt(self, now: float, arrived: float, chance: float) -> float:
        """The time of the next attempt.

        The pause is the message's age, so that it doubles, between minimum and maximum, times 0.75 to 1.25
        by `chance` (0 to 1): what was deferred together does not come back together.
        """
        pause = min(max(now - arrived, self.minimum), self.maximum)
        return now + pause * (0.75 + chance / 2)

    def expired(self, now: float, arrived: float, sender: str) -> bool:
        """Whether it is to be given up."""
        return now - arrived >= (self.expire_after if sender else self.expire_bounce_after)

    def warning_due(self, now: float, arrived: float, warned: bool) -> bool:
        """Whether the sender is to be told, once, that it takes long."""
        return not warned and self.warn_after > 0 and now - arrived >= self.warn_after
