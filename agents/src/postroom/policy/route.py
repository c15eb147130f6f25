"""Where a recipient's mail goes: aliases, lists, teams, catch-all, domain aliases, subaddresses, outside addresses.

Addresses are resolved once, at intake (RFC 5321 section 3.9). `route` is a generator: it yields what it needs to
know of the directory and is sent what was found, so that it can be tested with a dict and run on any directory.
Every destination, and every address that leads nowhere, carries the steps by which it was reached.
"""

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from postroom.contracts.directory import Account, Domain, Entry, Kind
from postroom.contracts.errors import MailError, NoSuchRecipient, NotOurDomain, RecipientDisabled, Unavailable
from postroom.contracts.queue import Hop
from postroom.mail.address import Address, AddressError, parse_path

MAX_EXPANSION = 1000  # addresses behind one recipient
MAX_DEPTH = 20  # aliases of aliases
POSTMASTER = "postmaster"  # RFC 5321 section 4.5.1


class Ask(Enum):
    """What of the directory is asked for."""

    DOMAIN = "domain"
    ENTRY = "entry"


class RouteLookup(NamedTuple):
    """One look-up: a domain's name, or an address key."""

    what: Ask
    key: str


class Reason(Enum):
    """Why an address led to another one, or where it ended. The names are part of `postroom route --json`."""

    DOMAIN_ALIAS = "domain-alias"  # the domain is another name for a domain of ours
    SUBADDRESS = "subaddress"  # the address with a detail (RFC 5233) belongs to the address without it
    ALIAS = "alias"
    LIST = "list"
    TEAM = "team"
    CATCH_ALL = "catch-all"
    POSTMASTER = "postmaster"  # the host's postmaster stands in for the domain's
    THIS_HOST = "this-host"  # `postmaster` without a domain, or one of the host's own address literals
    SRS_RETURN = "srs-return"  # an address made by SRS leads back to the first sender

    MAILBOX = "mailbox"  # on this host
    HOME = "home"  # on the domain's home host
    RELAYED = "relayed"  # an outside recipient, from a client that may relay
    FORWARDED = "forwarded"  # an outside address behind one of ours
    SRS = "srs"  # the envelope sender is rewritten for the way outside

    NOT_OURS = "not-ours"  # an outside recipient, from a client that may not relay
    DISABLED = "disabled"
    UNKNOWN = "unknown"
    SEEN = "seen"  # expanded already: a second way to it, or a circle
    ENDLESS = "endless"
    BAD_SRS = "bad-srs"  # an SRS address that is too old or not made by us


class RouteStep(NamedTuple):
    """One step: what applied to an address, and what it led to (addresses, a domain, a host or an account)."""

    reason: Reason
    address: Address
    to: tuple[str, ...] = ()
    sender: str = ""  # the envelope sender from here on, where the step changes it


Via = tuple[RouteStep, ...]
# The last step as a plain tuple, behind the trail of the steps before it: nearly free for the many routes that
# nobody asks about.
Trail = tuple[Any, Reason, Address, tuple[str, ...], str] | None


def steps(trail: Trail) -> Via:
    """Return a trail as steps, the first one first."""
    found = []
    while trail is not None:
        before, reason, address, to, sender = trail
        found.append(RouteStep(reason, address, to, sender))
        trail = before
    return tuple(reversed(found))


@dataclass(frozen=True, slots=True)
class Destination:
    """One final address. `forwarded`: it lies outside and the recipient was ours, so the sender needs SRS."""

    address: Address
    hop: Hop
    host: str  # home host for MAILBOX and HOME, domain for WORLD
    account: Account | None = None
    forwarded: bool = False
    sender: str | None = None  # replaces the envelope sender: a list's owner
    trail: Trail = None

    @property
    def via(self) -> Via:
        """Return the steps that led here."""
        return steps(self.trail)


class Route(NamedTuple):
    """What became of one recipient. `refusal` is set when there are no destinations.

    `ends`: the trails that led nowhere, whether the recipient is refused or not.
    """

    destinations: tuple[Destination, ...] = ()
    refusal: MailError | None = None
    ends: tuple[Trail, ...] = ()

    @property
    def dead_ends(self) -> tuple[Via, ...]:
        """Return the ways that led nowhere."""
        return tuple(map(steps, self.ends))


Found = Domain | Entry | None
Steps = Generator[RouteLookup, Found, Route]


class _Pending(NamedTuple):
    """An address that waits to be resolved."""

    address: Address
    depth: int
    sender: str | None
    trail: Trail


def route(recipient: Address, host_name: str, may_relay: bool = False, trail: Trail = None) -> Steps:
    """Return the destinations of one recipient, or the reason for refusing it.

    `host_name` is this host; `may_relay`: the client may send to foreign domains; `trail`: steps taken before.
    Refusals: NotOurDomain, NoSuchRecipient, RecipientDisabled, Unavailable (the expansion is endless).
    """
    domain = yield from _domain(recipient.domain)
    if domain is None:
        if may_relay:
            trail = (trail, Reason.RELAYED, recipient, (recipient.domain,), "")
            return Route((Destination(recipient, Hop.WORLD, recipient.domain, trail=trail),))
        return Route((), NotOurDomain(), ((trail, Reason.NOT_OURS, recipient, (recipient.domain,), ""),))
    return (yield from _Expansion(host_name).of(recipient, trail))


class _Expansion:
    """The addresses that one local recipient leads to, each visited once."""

    def __init__(self, host_name: str) -> None:
        self._host_name = host_name
        self._found: dict[str, Destination] = {}
        self._seen: set[str] = set()
        self._pending: list[_Pending] = []
        self._ends: list[Trail] = []
        self._disabled = False

    def of(self, recipient: Address, trail: Trail) -> Steps:
        """Resolve everything behind the recipient."""
        self._pending.append(_Pending(recipient, 0, None, trail))
        while self._pending:
            now = self._pending.pop()
            if now.depth > MAX_DEPTH or len(self._seen) > MAX_EXPANSION:
                end = (now.trail, Reason.ENDLESS, now.address, (), "")
                return Route((), Unavailable("address expands without end"), (end,))
            domain = yield from _domain(now.address.domain)
            if domain is None:
                self._forward(now)
            else:
                yield from self._resolve(now, domain)
        return self._route()

    def _route(self) -> Route:
        refusal: MailError | None = None
        if not self._found:
            refusal = RecipientDisabled() if self._disabled else NoSuchRecipient()
        return Route(tuple(self._found.values()), refusal, tuple(self._ends))

    def _resolve(self, now: _Pending, domain: Domain) -> Generator[RouteLookup, Found, None]:
        """Resolve an address in a domain of ours by what the directory has for it."""
        now = _in_real_domain(now, domain)
        entry, now = yield from _entry(now, domain)
        if entry is None:
            yield from self._nobody(now, domain)
        elif entry.account is not None:
            self._mailbox(now, domain, entry.account)
        else:
            self._shared(now, entry)

    def _forward(self, now: _Pending) -> None:
        """End at an address in a foreign domain."""
        address, domain = now.address, now.address.domain
        trail = (now.trail, Reason.FORWARDED, address, (domain,), "")
        outside = Destination(address, Hop.WORLD, domain, forwarded=True, sender=now.sender, trail=trail)
        self._end(address.key, outside, now)

    def _mailbox(self, now: _Pending, domain: Domain, account: Account) -> None:
        """End at a mailbox. The address keeps its domain and detail, so that the mda can file by it."""
        if not account.enabled:
            self._disabled = True
            self._ends.append((now.trail, Reason.DISABLED, now.address, (account.id,), ""))
            return
        address, home = now.address, domain.home
        hop, reason = _HERE if home == self._host_name else _ELSEWHERE
        trail = (now.trail, reason, address, (account.id, home), "")
        local = Destination(address, hop, home, account, sender=now.sender, trail=trail)
        self._end(f"{account.id}/{address.key}", local, now)

    def _end(self, key: str, destination: Destination, now: _Pending) -> None:
        """Keep a destination, unless another way has led to it."""
        if self._found.setdefault(key, destination) is not destination:
            self._ends.append((now.trail, Reason.SEEN, now.address, (), ""))

    def _shared(self, now: _Pending, entry: Entry) -> None:
        """Go on with the members of an alias, a list or a team."""
        if not self._first_time(entry.address, now):
            return
        owner = entry.owner if entry.kind is Kind.LIST else ""
        self._expand(now, _SHARED[entry.kind], entry.members, owner)

    def _nobody(self, now: _Pending, domain: Domain) -> Generator[RouteLookup, Found, None]:
        """Go on with the catch-all of the domain, or with the host's postmaster."""
        reason, members = Reason.CATCH_ALL, domain.catch_all
        if not members and now.address.local.lower() == POSTMASTER:
            reason, members = Reason.POSTMASTER, (yield from self._postmaster(now.address))
        if not self._first_time(now.address.key, now):
            return
        if members:
            self._expand(now, reason, members)
        else:
            self._ends.append((now.trail, Reason.UNKNOWN, now.address, (), ""))

    def _postmaster(self, address: Address) -> Generator[RouteLookup, Found, tuple[str, ...]]:
        """Return the host's own postmaster, which stands in for a domain's; nothing when there is none."""
        own = Address(POSTMASTER, self._host_name)
        if own.key == address.key:
            return ()
        found = yield RouteLookup(Ask.ENTRY, own.key)
        return (own.key,) if found is not None else ()

    def _first_time(self, key: str, now: _Pending) -> bool:
        if key in self._seen:
            self._ends.append((now.trail, Reason.SEEN, now.address, (), ""))
            return False
        self._seen.add(key)
        return True

    def _expand(self, now: _Pending, reason: Reason, members: tuple[str, ...], owner: str = "") -> None:
        trail = (now.trail, reason, now.address, members, owner)
        sender = owner or now.sender
        for member in members:
            try:
                self._pending.append(_Pending(parse_path(member), now.depth + 1, sender, trail))
            except AddressError:
                continue  # the directory refuses such members when it is applied


_HERE = (Hop.MAILBOX, Reason.MAILBOX)
_ELSEWHERE = (Hop.HOME, Reason.HOME)
_SHARED = {Kind.ALIAS: Reason.ALIAS, Kind.LIST: Reason.LIST, Kind.TEAM: Reason.TEAM}


def _domain(name: str) -> Generator[RouteLookup, Found, Domain | None]:
    found = yield RouteLookup(Ask.DOMAIN, name)
    assert found is None or isinstance(found, Domain)
    return found


def _in_real_domain(now: _Pending, domain: Domain) -> _Pending:
    """Return the address in the domain that holds it, where its own domain is an alias."""
    if not domain.alias_of:
        return now
    real = Address(now.address.local, domain.alias_of)
    return now._replace(address=real, trail=(now.trail, Reason.DOMAIN_ALIAS, now.address, (str(real),), ""))


def _entry(now: _Pending, domain: Domain) -> Generator[RouteLookup, Found, tuple[Entry | None, _Pending]]:
    """Return the entry for the address itself, or else for the address without its detail.

    The detail stays in the address returned, since the mda files by it.
    """
    plain, _ = now.address.split_detail(domain.separator)
    for candidate in (now.address, plain) if plain is not now.address else (now.address,):
        found = yield RouteLookup(Ask.ENTRY, candidate.key)
        assert found is None or isinstance(found, Entry)
        if found is None:
            continue
        if candidate is not now.address:
            now = now._replace(trail=(now.trail, Reason.SUBADDRESS, now.address, (str(plain),), ""))
        return found, now
    return None, now
