"""The hosts that receive mail for a domain. RFC 5321 section 5.1, RFC 7505.

Room rule: lookups are generators (policy.lookups); randomness is a function argument.
"""

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import groupby
from typing import Final

from postroom.policy.lookups import Lookups, LookupStatus, Mx, Query, RecordType

MAX_HOSTS: Final = 10  # exchanges that are used; a longer list is an error or an attack
_FAMILY: Final = {"ipv4": RecordType.A, "ipv6": RecordType.AAAA}


class NoRoute(Exception):
    """The domain cannot be delivered to. Holds reply code, enhanced status (RFC 3463) and a text for the sender."""

    def __init__(self, code: int, status: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.status = status

    @property
    def temporary(self) -> bool:
        """Return whether it may work later."""
        return self.code < 500


def exchanges(domain: str) -> Lookups[tuple[Mx, ...]]:
    """Return the domain's MX records, or the domain itself if it has none. Raises NoRoute."""
    (answer,) = yield (Query(domain, RecordType.MX),)
    match answer.status:
        case LookupStatus.TEMPORARY:
            raise NoRoute(451, "4.4.3", f"name service error for {domain}, try again")
        case LookupStatus.NXDOMAIN:
            raise NoRoute(550, "5.1.2", f"domain {domain} does not exist")
    found = answer.exchanges
    if len(found) == 1 and found[0].host in ("", "."):
        raise NoRoute(556, "5.1.10", f"domain {domain} accepts no mail (null MX)")
    usable = tuple(Mx(record.preference, record.host.lower().rstrip(".")) for record in found)
    return tuple(record for record in usable if record.host) or (Mx(0, domain),)


def in_order(
    records: Sequence[Mx], own_names: frozenset[str], shuffle: Callable[[list[str]], None], domain: str
) -> list[str]:
    """Return host names, best first, equal ones in random order. Raises NoRoute.

    If one of them is this host, drop it and all that are not better, because the mail would come back.
    """
    own = [record.preference for record in records if record.host in own_names]
    if own:
        records = [record for record in records if record.preference < min(own)]
        if not records:
            raise NoRoute(554, "5.4.6", f"mail for {domain} loops back to this host")
    hosts: list[str] = []
    for _, group in groupby(sorted(records), key=lambda record: record.preference):
        equal = list(dict.fromkeys(record.host for record in group))
        shuffle(equal)
        hosts += equal
    return list(dict.fromkeys(hosts))[:MAX_HOSTS]


def addresses(host: str, families: Sequence[str]) -> Lookups[tuple[str, ...]]:
    """Return a host's addresses, alternating between families in the given order. Raises NoRoute if there are none."""
    answers = yield tuple(Query(host, _FAMILY[family]) for family in families)
    lists = [list(answer.names) for answer in answers]
    found = [names[turn] for turn in range(max(map(len, lists))) for names in lists if turn < len(names)]
    if found:
        return tuple(found)
    if any(answer.status is LookupStatus.TEMPORARY for answer in answers):
        raise NoRoute(451, "4.4.3", f"name service error for {host}, try again")
    raise NoRoute(550, "5.4.4", f"mail server {host} has no address")


def literal(domain: str) -> str | None:
    """Return the address of a domain literal such as `[192.0.2.1]` or `[IPv6:2001:db8::1]`. RFC 5321 section 4.1.3."""
    if not (domain.startswith("[") and domain.endswith("]")):
        return None
    text = domain[1:-1]
    address: IPv4Address | IPv6Address
    try:
        address = ip_address(text[5:] if text.lower().startswith("ipv6:") else text)
    except ValueError:
        return None
    return str(address)
