"""Counts of failed logins over all services: a guesser is slowed down, then blocked for a while.

An account is never blocked in a network from which it has logged in before: failures from there are only delayed, and
failures from elsewhere do not count against it. Repeating the same wrong password (a phone with an old one) counts
once.
"""

import ipaddress
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

MAX_TALLIES = 50_000
MAX_NETWORKS = 50  # per account; the least recently used one is dropped
MAX_ACCOUNTS = 200_000
SEEN_EVERY = 86_400.0  # seconds; the precision of a network's last use


@dataclass(frozen=True, slots=True)
class GuessLimits:
    """Failures allowed within `window` seconds, and the delay of a refusal."""

    per_account: int = 10
    per_client: int = 30
    window: float = 600.0
    delay: float = 1.0
    delay_maximum: float = 15.0


class KnownNetwork(NamedTuple):
    """A network from which an account has logged in, and the time of its last use."""

    account: str
    network: str
    seen: float


class TallyRow(NamedTuple):
    """The failures of one account or client as stored on disk. Without times the row is to be deleted."""

    key: str
    times: tuple[float, ...]


def network_of(client: str) -> str:
    """Return the network in which a person's address changes: a /24 or /64. Other names are returned unchanged."""
    return _prefix(client, 24, 64)


def _prefix(client: str, bits4: int, bits6: int) -> str:
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    bits = bits4 if address.version == 4 else bits6
    return str(ipaddress.ip_network((address, bits), strict=False))


class Guesses:
    """The counts, in memory. `account` is an account id, or a stable substitute for an unknown name."""

    def __init__(self, limits: GuessLimits) -> None:
        self._limits = limits
        self._longest = max(limits.per_account, limits.per_client)
        self._tallies: OrderedDict[str, deque[tuple[float, bytes]]] = OrderedDict()
        self._known: OrderedDict[str, dict[str, float]] = OrderedDict()
        self._dirty: set[str] = set()
        self._dirty_known: set[tuple[str, str]] = set()

    def adopt(self, limits: GuessLimits) -> None:
        """Use other limits from now on."""
        self._limits = limits
        self._longest = max(limits.per_account, limits.per_client)
        for key, tally in self._tallies.items():
            self._tallies[key] = deque(tally, self._longest)

    def blocked(self, account: str, client: str, now: float) -> bool:
        """Return whether every password is refused for now, right or wrong."""
        if network_of(client) in self._known.get(account, ()):
            return False
        if self._count(_account_key(account), now) >= self._limits.per_account:
            return True
        return self._count(_client_key(client), now) >= self._limits.per_client

    def failed(self, account: str, client: str, attempt: bytes, now: float) -> None:
        """Count a failure. `attempt` is a digest of account and password."""
        network = network_of(client)
        at_home = network in self._known.get(account, ())
        self._note(_home_key(account, network) if at_home else _account_key(account), attempt, now)
        self._note(_client_key(client), attempt, now)

    def delay(self, account: str, client: str, now: float) -> float:
        """Return the seconds by which to delay the refusal."""
        keys = _account_key(account), _client_key(client), _home_key(account, network_of(client))
        worst = max(self._count(key, now) for key in keys)
        return min(self._limits.delay * 2.0 ** max(worst - 1, 0), self._limits.delay_maximum)

    def succeeded(self, account: str, client: str, now: float) -> None:
        """Remember the network as one that the account uses."""
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
        """Load what an earlier process saved."""
        for row in tallies:
            self._tallies[row.key] = deque(((time, b"") for time in row.times), self._longest)
        for known_network in known:
            self._known.setdefault(known_network.account, {})[known_network.network] = known_network.seen

    def take_changes(self) -> tuple[list[TallyRow], list[KnownNetwork]]:
        """Return the changes since the last call. A network with `seen` 0 is to be deleted."""
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
        # After the clock was set back, times in the future count as expired, so that nobody stays blocked.
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
