"""From an address to the rows of the queue, at intake: policy.route run on the directory, SRS both ways."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol

from postroom.contracts.clock import Clock
from postroom.contracts.directory import Directory
from postroom.contracts.errors import MailError, NoSuchRecipient
from postroom.contracts.queue import Hop, QueuedRecipient
from postroom.mail.address import Address, AddressError, parse_path
from postroom.policy.delivery import literal
from postroom.policy.route import POSTMASTER, Ask, Destination, Steps, route
from postroom.policy.srs import Rewriter, SrsError
from postroom.runtime.config import ConfigError

SHORTEST_SECRET = 16


class Router(Protocol):
    """Resolves addresses once and for all."""

    async def route(self, address: Address, sender: str, *, relay: bool) -> tuple[QueuedRecipient, ...]:
        """Where mail for the address goes. `relay`: also addresses outside. Raises RecipientError, Unavailable."""


class DirectoryRouter:
    """Resolves by a directory. Without `secrets` nothing is rewritten by SRS.

    `addresses`: the host's own IP addresses. Mail to `name@[address]` is for this host (RFC 1123 section 5.2.17).
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
        """Where mail for the address goes. `relay`: also addresses outside. Raises RecipientError, Unavailable."""
        if not address.domain:
            return await self._here(POSTMASTER, sender)
        if self._is_own_literal(address.domain):
            found_here = await self._here(address.local, sender)
            return tuple(replace(row, original=str(address)) for row in found_here)
        if self._secrets and address.local[:3].lower() == "srs" and await self._ours(address.domain):
            rewriter = self._rewriter(address.domain)
            if rewriter.is_srs(str(address)):
                return (self._returned(rewriter, address),)
        found = await self._resolve(route(address, self._host_name, relay))
        if isinstance(found, MailError):
            raise found
        rewritten = await self._rewritten(address, sender, found)
        return tuple(_row(destination, address, sender, rewritten) for destination in found)

    def _is_own_literal(self, domain: str) -> bool:
        address = literal(domain)
        return address is not None and (address in self._addresses or ip_address(address).is_loopback)

    async def _here(self, local: str, sender: str) -> tuple[QueuedRecipient, ...]:
        """Somebody of this host, in its own domain or in the one above: `<postmaster>` is (RFC 5321 section 4.5.1)."""
        for name in (self._host_name, self._host_name.partition(".")[2]):
            if await self._ours(name):
                with suppress(NoSuchRecipient):
                    return await self.route(Address(local, name), sender, relay=False)
        raise NoSuchRecipient

    async def _ours(self, domain: str) -> bool:
        return await self._directory.domain(domain) is not None

    async def _resolve(self, steps: Steps) -> tuple[Destination, ...] | MailError:
        directory = self._directory
        try:
            need = next(steps)
            while True:
                if need.what is Ask.DOMAIN:
                    need = steps.send(await directory.domain(need.key))
                else:
                    need = steps.send(await directory.entry(need.key))
        except StopIteration as end:
            result: tuple[Destination, ...] | MailError = end.value
            return result

    def _returned(self, rewriter: Rewriter, address: Address) -> QueuedRecipient:
        """Mail to an address that SRS has made goes back to the first sender. Raises NoSuchRecipient."""
        try:
            target = parse_path(rewriter.reverse(str(address), int(self._clock.now())))
        except (SrsError, AddressError) as error:
            raise NoSuchRecipient from error
        return QueuedRecipient(str(target), Hop.WORLD, target.domain, original=str(address))

    async def _rewritten(self, address: Address, sender: str, found: Sequence[Destination]) -> str | None:
        """The sender for what is sent on outside, or None where it can stay."""
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
    # a report that goes to a list stays one: with a sender it would be reported on (RFC 5321 section 4.5.5)
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
    """The secrets in the file, one per line, the newest first; none for no path. Raises ConfigError."""
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
