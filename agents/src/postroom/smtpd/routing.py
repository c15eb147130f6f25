"""From an address to recipients of the queue, at intake: runs policy.route on the directory, and SRS both ways."""

from collections.abc import Collection, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple, Protocol

from postroom.contracts.clock import Clock
from postroom.contracts.directory import Directory
from postroom.contracts.errors import NoSuchRecipient
from postroom.contracts.queue import Hop, QueuedRecipient
from postroom.mail.address import Address, AddressError, parse_path
from postroom.policy.delivery import literal
from postroom.policy.route import (
    POSTMASTER,
    Ask,
    Destination,
    Reason,
    Route,
    RouteStep,
    Steps,
    Trail,
    Via,
    route,
)
from postroom.policy.srs import Rewriter, SrsError
from postroom.runtime.config import ConfigError

SHORTEST_SECRET = 16


class Router(Protocol):
    """Resolves addresses, once and for all."""

    async def route(self, address: Address, sender: str, *, relay: bool) -> tuple[QueuedRecipient, ...]:
        """Return where mail for the address goes. `relay`: also outside. Raises RecipientError, Unavailable."""


class Explained(NamedTuple):
    """A recipient of the queue, and the steps that led to it."""

    recipient: QueuedRecipient
    via: Via


class _Resolved(NamedTuple):
    """A route. `given` is the address that was resolved, `rewritten` the sender for what goes outside."""

    route: Route
    given: Address
    rewritten: str | None = None


class DirectoryRouter:
    """Resolves addresses in the directory. Without `secrets` it does not apply SRS.

    `addresses` are the host's own IP addresses. Mail to `name@[address]` is for this host (RFC 1123 section 5.2.17).
    """

    def __init__(
        self,
        directory: Directory,
        host_name: str,
        clock: Clock,
        secrets: Sequence[bytes] = (),
        addresses: Collection[str] = (),
    ) -> None:
        self._directory = directory
        self._host_name = host_name
        self._clock = clock
        self._secrets = secrets
        self._addresses = frozenset(str(ip_address(address)) for address in addresses)
        self._rewriters: dict[str, Rewriter] = {}

    async def route(self, address: Address, sender: str, *, relay: bool) -> tuple[QueuedRecipient, ...]:
        """Return where mail for the address goes. `relay`: also outside. Raises RecipientError, Unavailable."""
        found = await self._find(address, sender, relay)
        if found.route.refusal is not None:
            raise found.route.refusal
        return tuple(_row(one, found.given, sender, found.rewritten) for one in found.route.destinations)

    async def explain(
        self, address: Address, sender: str, *, relay: bool
    ) -> tuple[Route, tuple[Explained, ...]]:
        """Return the route, refused or not, and every recipient with the steps that led to it. Raises Unavailable."""
        found = await self._find(address, sender, relay)
        explained = []
        for one in found.route.destinations:
            row, via = _row(one, found.given, sender, found.rewritten), one.via
            if one.forwarded and row.sender is not None and row.sender != one.sender:
                via = (*via, RouteStep(Reason.SRS, one.address, (one.host,), row.sender))
            explained.append(Explained(row, via))
        return found.route, tuple(explained)

    async def _find(self, address: Address, sender: str, relay: bool, trail: Trail = None) -> _Resolved:
        if not address.domain:
            return await self._here(address, sender)
        if self._is_own_literal(address.domain):
            return (await self._here(address, sender))._replace(given=address)
        if self._secrets and address.local[:3].lower() == "srs" and await self._ours(address.domain):
            rewriter = self._rewriter(address.domain)
            if rewriter.is_srs(str(address)):
                return _Resolved(self._returned(rewriter, address), address)
        found = await self._resolve(route(address, self._host_name, relay, trail))
        return _Resolved(found, address, await self._rewritten(address, sender, found.destinations))

    def _is_own_literal(self, domain: str) -> bool:
        address = literal(domain)
        return address is not None and (address in self._addresses or ip_address(address).is_loopback)

    async def _here(self, address: Address, sender: str) -> _Resolved:
        """Resolve a local part in this host's own domain or in the one above.

        Every host has a `<postmaster>`, whatever its domains (RFC 5321 section 4.5.1).
        """
        ends: tuple[Trail, ...] = ()
        for name in (self._host_name, self._host_name.partition(".")[2]):
            if await self._ours(name):
                named = Address(address.local if address.domain else POSTMASTER, name)
                trail = (None, Reason.THIS_HOST, address, (str(named),), "")
                found = await self._find(named, sender, False, trail)
                if not isinstance(found.route.refusal, NoSuchRecipient):
                    return found
                ends += found.route.ends
        return _Resolved(
            Route((), NoSuchRecipient(), ends or ((None, Reason.UNKNOWN, address, (), ""),)), address
        )

    async def _ours(self, domain: str) -> bool:
        return await self._directory.domain(domain) is not None

    async def _resolve(self, steps: Steps) -> Route:
        directory = self._directory
        try:
            need = next(steps)
            while True:
                if need.what is Ask.DOMAIN:
                    need = steps.send(await directory.domain(need.key))
                else:
                    need = steps.send(await directory.entry(need.key))
        except StopIteration as end:
            result: Route = end.value
            return result

    def _returned(self, rewriter: Rewriter, address: Address) -> Route:
        """Resolve an address that SRS has made to the original sender."""
        try:
            target = parse_path(rewriter.reverse(str(address), int(self._clock.now())))
        except (SrsError, AddressError):
            return Route((), NoSuchRecipient(), ((None, Reason.BAD_SRS, address, (), ""),))
        returned = (None, Reason.SRS_RETURN, address, (str(target),), "")
        trail = (returned, Reason.RELAYED, target, (target.domain,), "")
        return Route((Destination(target, Hop.WORLD, target.domain, trail=trail),))

    async def _rewritten(self, address: Address, sender: str, found: Sequence[Destination]) -> str | None:
        """Return the sender for what is sent on outside, or None where it can stay."""
        if not self._secrets or not sender or not any(one.forwarded for one in found):
            return None
        if await self._ours(sender.rpartition("@")[2].lower()):
            return None
        try:
            return self._rewriter(address.domain).forward(sender, int(self._clock.now()))
        except SrsError:
            return None

    def _rewriter(self, domain: str) -> Rewriter:
        rewriter = self._rewriters.get(domain)
        if rewriter is None:
            rewriter = self._rewriters[domain] = Rewriter(domain, self._secrets)
        return rewriter


def _row(
    destination: Destination, given: Address, first_sender: str, rewritten: str | None
) -> QueuedRecipient:
    # A report to a list keeps its null sender: with a sender it would cause reports itself (RFC 5321 section 4.5.5).
    sender = destination.sender if first_sender else None
    if sender is None and destination.forwarded:
        sender = rewritten
    return QueuedRecipient(
        address=str(destination.address),
        hop=destination.hop,
        destination=destination.host,
        account=destination.account.id if destination.account else "",
        original=str(given),
        sender=sender,
    )


def read_srs_secrets(path: str) -> tuple[bytes, ...]:
    """Return the secrets in the file, one per line, the newest first; none for no path. Raises ConfigError."""
    if not path:
        return ()
    try:
        lines = Path(path).read_bytes().split()
    except OSError as error:
        raise ConfigError(f"srs_secrets_file {path}: {error.strerror}") from error
    if not lines or min(map(len, lines)) < SHORTEST_SECRET:
        raise ConfigError(
            f"srs_secrets_file {path}: give one secret of {SHORTEST_SECRET} octets or more per line"
        )
    return tuple(lines)
