"""Where a recipient's mail goes: aliases, lists, teams, catch-all, domain aliases, subaddresses, outside addresses.

Addresses are resolved once, at intake (RFC 5321 section 3.9). `route` is a generator: it yields what it wants to
know of the directory and is sent what was found, so that it can be tested with a dict and run on any directory.
"""

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

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


class Need(NamedTuple):
    """One look-up: a domain's name, or an address key."""

    what: Ask
    key: str


Found = Domain | Entry | None
Steps = Generator[Need, Found, "tuple[Destination, ...] | MailError"]


@dataclass(frozen=True, slots=True)
class Destination:
    """One final address. `forwarded`: it lies outside and the recipient was ours, so the sender needs SRS."""

    address: Address
    hop: Hop
    host: str  # home host for MAILBOX and HOME, domain for WORLD
    account: Account | None = None
    forwarded: bool = False
    sender: str | None = None  # replaces the envelope sender: a list's owner


class _Pending(NamedTuple):
    address: Address
    depth: int
    sender: str | None


def route(recipient: Address, host_name: str, may_relay: bool = False) -> Steps:
    """The destinations of one recipient, or the reason for refusing it.

    host_name: this host. may_relay: the client may send to foreign domains.
    Errors returned: NotOurDomain, NoSuchRecipient, RecipientDisabled, Unavailable (the expansion is endless).
    """
    domain = yield from _domain(recipient.domain)
    if domain is None:
        if may_relay:
            return (Destination(recipient, Hop.WORLD, recipient.domain),)
        return NotOurDomain()
    found: dict[str, Destination] = {}
    seen: set[str] = set()
    pending = [_Pending(recipient, 0, None)]
    disabled = False
    while pending:
        now = pending.pop()
        if now.depth > MAX_DEPTH or len(seen) > MAX_EXPANSION:
            return Unavailable("address expands without end")
        domain = yield from _domain(now.address.domain)
        if domain is None:
            outside = Destination(
                now.address, Hop.WORLD, now.address.domain, forwarded=True, sender=now.sender
            )
            found.setdefault(now.address.key, outside)
            continue
        entry, address = yield from _entry(now.address, domain)
        if entry is None:
            members = domain.catch_all
            if not members and now.address.local.lower() == POSTMASTER:
                members = yield from _postmaster(now.address, host_name)
            if address.key in seen:
                continue
            seen.add(address.key)
            pending.extend(_behind(members, now))
        elif entry.account is not None:
            disabled = disabled or not entry.account.enabled
            if entry.account.enabled:
                local = _local(address, domain, entry.account, now.sender, host_name)
                found.setdefault(entry.account.id + "/" + address.key, local)
        elif entry.address not in seen:
            seen.add(entry.address)
            sender = entry.owner if entry.kind is Kind.LIST and entry.owner else now.sender
            pending.extend(_behind(entry.members, now, sender))
    if found:
        return tuple(found.values())
    return RecipientDisabled() if disabled else NoSuchRecipient()


def _domain(name: str) -> Generator[Need, Found, Domain | None]:
    found = yield Need(Ask.DOMAIN, name)
    assert found is None or isinstance(found, Domain)
    return found


def _entry(address: Address, domain: Domain) -> Generator[Need, Found, tuple[Entry | None, Address]]:
    """The entry for the address itself, else without its detail; the address in the domain that holds it.

    The detail stays in the address returned, since the mda files by it.
    """
    if domain.alias_of:
        address = Address(address.local, domain.alias_of)
    plain, _ = address.split_detail(domain.separator)
    for candidate in (address, plain) if plain is not address else (address,):
        found = yield Need(Ask.ENTRY, candidate.key)
        assert found is None or isinstance(found, Entry)
        if found is not None:
            return found, address
    return None, address


def _postmaster(address: Address, host_name: str) -> Generator[Need, Found, tuple[str, ...]]:
    """The host's own postmaster stands in for a domain's."""
    own = Address(POSTMASTER, host_name)
    if own.key == address.key:
        return ()
    found = yield Need(Ask.ENTRY, own.key)
    return (own.key,) if found is not None else ()


def _behind(members: tuple[str, ...], now: _Pending, sender: str | None = None) -> list[_Pending]:
    pending = []
    for member in members:
        try:
            pending.append(
                _Pending(parse_path(member), now.depth + 1, sender if sender is not None else now.sender)
            )
        except AddressError:
            continue  # the directory refuses such members when it is applied
    return pending


def _local(
    address: Address, domain: Domain, account: Account, sender: str | None, host_name: str
) -> Destination:
    """A mailbox. `address` keeps the domain and detail under which it was reached, so that the mda can file by it."""
    here = domain.home == host_name
    return Destination(address, Hop.MAILBOX if here else Hop.HOME, domain.home, account, sender=sender)
