"""From an address to the rows of the queue, at intake."""

from typing import Protocol

from postroom.contracts.queue import QueuedRecipient
from postroom.mail.address import Address


class Router(Protocol):
    """Resolves addresses once and for all."""

    async def route(self, address: Address, sender: str, *, relay: bool) -> tuple[QueuedRecipient, ...]:
        """Where mail for the address goes. `relay`: also addresses outside. Raises RecipientError, Unavailable."""
