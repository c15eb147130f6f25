"""How many octets of messages being received all sessions of a process may hold together.

Room rule: waiting sessions are served in order, but one account never holds more than its share, so that a slow client
keeps no other account waiting.
"""

import asyncio
from collections import Counter, deque
from typing import Final, NamedTuple

SHARES: Final = 4  # one account may hold one of them, or a single message


class _Waiter(NamedTuple):
    account: str
    octets: int
    granted: asyncio.Future[None]


class Budget:
    """Octets that a session takes before it reads a message, and gives back once the message is stored."""

    def __init__(self, octets: int) -> None:
        self.octets = octets
        self._held: Counter[str] = Counter()
        self._waiting: deque[_Waiter] = deque()

    async def take(self, account: str, octets: int) -> None:
        """Wait until there is room for `octets`; more than the whole budget counts as the whole budget."""
        waiter = _Waiter(account, min(octets, self.octets), asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._serve()
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled():
                self.give_back(account, octets)
            else:
                self._waiting.remove(waiter)
                self._serve()
            raise

    @property
    def held(self) -> int:
        """How many octets are taken."""
        return self._held.total()

    @property
    def waiting(self) -> int:
        """How many sessions wait."""
        return len(self._waiting)

    def give_back(self, account: str, octets: int) -> None:
        """Return the octets of one `take`."""
        self._held[account] -= min(octets, self.octets)
        if not self._held[account]:
            del self._held[account]
        self._serve()

    def _serve(self) -> None:
        free = self.octets - self.held
        waiting, self._waiting = self._waiting, deque()
        for waiter in waiting:
            if free < waiter.octets:
                free = 0  # no later session overtakes this one
            elif self._has_share(waiter):
                free -= waiter.octets
                self._held[waiter.account] += waiter.octets
                waiter.granted.set_result(None)
                continue
            self._waiting.append(waiter)

    def _has_share(self, waiter: _Waiter) -> bool:
        held = self._held[waiter.account]
        return not held or held + waiter.octets <= self.octets // SHARES
