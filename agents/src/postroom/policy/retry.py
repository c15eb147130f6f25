"""When to retry a message, when to warn its sender, when to give up. RFC 5321 section 4.5.4.1."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """Times in seconds."""

    minimum: float
    maximum: float
    warn_after: float
    expire_after: float
    expire_bounce_after: float  # for the null sender, since nobody waits for these

    def next_attempt(self, now: float, arrived: float, chance: float) -> float:
        """Return the time of the next attempt.

        The pause is the message's age, so it doubles each time, between minimum and maximum, multiplied by 0.75 to 1.25
        depending on `chance` (0 to 1), so that messages deferred together are not retried together.
        """
        pause = min(max(now - arrived, self.minimum), self.maximum)
        return now + pause * (0.75 + chance / 2)

    def expired(self, now: float, arrived: float, sender: str) -> bool:
        """Return whether the message is to be given up."""
        return now - arrived >= (self.expire_after if sender else self.expire_bounce_after)

    def warning_due(self, now: float, arrived: float, warned: bool) -> bool:
        """Return whether the sender is to be warned, once, that delivery is delayed."""
        return not warned and self.warn_after > 0 and now - arrived >= self.warn_after
