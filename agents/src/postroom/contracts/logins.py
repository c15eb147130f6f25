"""How many sessions each account has open, over all workers of a service, and where it has several, all hosts."""

from typing import Protocol


class LoginCounts(Protocol):
    """Counts may lag behind by the sessions that open at the same moment."""

    def count(self, name: str) -> int:
        """Return how many sessions an account has open."""

    def enter(self, name: str) -> None:
        """Count one session more."""

    def leave(self, name: str) -> None:
        """Count one session less, of those that entered."""
