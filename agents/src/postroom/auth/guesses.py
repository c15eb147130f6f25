"""Counting failures over all services at once: who guesses is slowed, then blocked for a while.

A person is never locked out of a network from which the account has logged in before: failures from there
are slowed only, and those from elsewhere do not count against it. The same wrong password again (a telephone
with an old one) counts once.
"""

import ipaddress
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

MAX_TALLIES = 50_000
MAX_NETWORKS = 50  # per account; the one not seen for longest goes
MAX_ACCOUNTS = 200_000
SEEN_EVERY = 86_400.0  # seconds: how exactly the last use of a network is kept


@dataclass(frozen=True, slots=True)
class Limits:
    """Failures within `window` seconds, and what a refusal waits."""

    per_account: int = 10
    per_client: int = 30
    window: float = 600.0
    delay: float = 1.0
    delay_maximum: float = 15.0


class KnownNetwork(NamedTuple):
    """A network from which an account has logged in, and when last."""

    account: str
    network: str
    seen: float


class TallyRow(NamedTuple):
    """The failures of one account or client as they are kept on disk; no times: forget it."""

    key: str
    times: tuple[float, ...]


def network_of(client: str) -> str:
    """The network a person stays in when the address changes: /24 or /64. Other names stay as they are."""
    return _prefix(client, 24, 64)


def _prefix(client: str, bits4: int, bits6: int) -> str:
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    bits = bits4 if address.version == 4 else bits6
    return str(ipaddress.ip_network((address, bits), strict=False))


class Guesses:
    """The counts, in memory. `account` is an id, or any stable stand-in for a name that nobody has."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._longest = max(limits.per_account, limits.per_client)
        self._tallies: OrderedDict[str, deque[tuple[float, bytes]]] = OrderedDict()
        self._known: OrderedDict[str, dict[str, float]] = OrderedDict()
        self._dirty: set[str] = set()
        self._dirty_known: set[tuple[str, str]] = set()

    def adopt(self, limits: Limits) -> None:
        """Go on counting under other limits."""
        self._limits = limits
        self._longest = max(limits.per_account, limits.per_client)
        for key, tally in self._tallies.items():
            self._tallies[key] = deque(tally, self._longest)

    def blocked(self, account: str, client: str, now: float) -> bool:
        """Whether no password is tried now, right or wrong."""
        if network_of(client) in self._known.get(account, ()):
            return False
        if self._count(_account_key(account), now) >= self._limits.per_account:
            return True
        return self._count(_client_key(client), now) >= self._limits.per_client

    def failed(self, account: str, client: str, attempt: bytes, now: float) -> None:
        """Note a failure. `attempt` is a digest of account and password."""
        network = network_of(client)
        at_home = network in self._known.get(account, ())
        self._note(_home_key(account, network) if at_home else _account_key(account), attempt, now)
        self._note(_client_key(client), attempt, now)

    def delay(self, account: str, client: str, now: float) -> float:
        """Seconds before the refusal is told."""
        keys = _account_key(account), _client_key(client), _home_key(account, network_of(client))
        worst = max(self._count(key, now) for key in keys)
        return min(self._limits.delay * 2.0 ** max(worst - 1, 0), self._limits.delay_maximum)

    def succeeded(self, account: str, client: str, now: float) -> None:
        """Remember where the account is at home."""
        networks = self._known.get(account)
        if networks is None:
            networks = self._known[account] = {}
            if len(self._known) > MAX_ACCOUNTS:
                self._known.popitem(last=False)
        network = network_of(client)
        if now - networks.get(network, float("-inf")) < SEEN_EVERY:
            return
        networks[network] = now
        self._dirty_known.add((account, network))
        if len(networks) > MAX_NETWORKS:
            oldest = min(networks, key=lambda name: networks[name])
            del networks[oldest]
            self._dirty_known.add((account, oldest))

    def restore(self, tallies: Iterable[TallyRow], known: Iterable[KnownNetwork]) -> None:
        """Take over what an earlier process kept."""
        for row in tallies:
            self._tallies[row.key] = deque(((time, b"") for time in row.times), self._longest)
        for place in known:
            self._known.setdefault(place.account, {})[place.network] = place.seen

    def take_changes(self) -> tuple[list[TallyRow], list[KnownNetwork]]:
        """What has changed since the last call. A network with `seen` 0 is to be forgotten."""
        tallies = [
            TallyRow(key, tuple(time for time, _ in self._tallies.get(key, ())))
            for key in sorted(self._dirty)
        ]
        known = [
            KnownNetwork(account, network, self._known.get(account, {}).get(network, 0.0))
            for account, network in sorted(self._dirty_known)
        ]
        self._dirty.clear()
        self._dirty_known.clear()
        return tallies, known

    def _note(self, key: str, attempt: bytes, now: float) -> None:
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = deque(maxlen=self._longest)
            if len(self._tallies) > MAX_TALLIES:
                self._dirty.add(self._tallies.popitem(last=False)[0])
        self._tallies.move_to_end(key)
        if not any(before == attempt for _, before in tally):
            tally.append((now, attempt))
            self._dirty.add(key)

    def _count(self, key: str, now: float) -> int:
        tally = self._tallies.get(key)
        if tally is None:
            return 0
        # a clock that was set back must not keep anybody out: times ahead of now have expired as well
        while tally and not 0 <= now - tally[0][0] < self._limits.window:
            tally.popleft()
            self._dirty.add(key)
        if not tally:
            del self._tallies[key]
        return len(tally)


def _account_key(account: str) -> str:
    return f"account:{account}"


def _client_key(client: str) -> str:
    return f"client:{_prefix(client, 32, 64)}"


def _home_key(account: str, network: str) -> str:
    return f"home:{account}:{network}"
