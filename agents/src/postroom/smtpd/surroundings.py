"""What all sessions of one listener share: replies made once, limits, who is connected, the log lines.

Room rule: sessions know this and not the listener, which builds on it.
"""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from postroom.contracts.errors import MailError, Unavailable
from postroom.mail.address import Address
from postroom.runtime.connections import Caps, networks, tls_reason
from postroom.runtime.crowd import Crowd
from postroom.runtime.log import Log
from postroom.runtime.service import where
from postroom.smtpd import extensions, sayings
from postroom.smtpd.reception import Client, Limits, Manner, Reception
from postroom.smtpd.transaction import Transaction
from postroom.wire.smtp.replies import Reply

HANDSHAKE_SECONDS: Final = 30.0


class Guest(Protocol):
    """A session, as far as the listener deals with it."""

    client: Client
    task: "asyncio.Task[None] | None"

    def overdue(self, now: float) -> bool:
        """Whether the peer has used up its time at `now` (the loop's time)."""

    def expire(self) -> None:
        """End the session because its peer is too slow."""

    def idle(self) -> bool:
        """Whether nothing is under way that a drain should wait for."""

    def end(self, reply: bytes) -> None:
        """End the session at its next wait, with `reply` as the last words."""


@dataclass(kw_only=True)
class Surroundings:
    """Built once by the agent, for one kind of listener."""

    host_name: str
    reception: Reception
    limits: Limits
    manner: Manner
    log: Log
    certificates: Callable[[], ssl.SSLContext] | None = None
    crowd: Crowd = field(default_factory=Crowd)  # of clients
    shaking: Crowd = field(default_factory=Crowd)  # clients whose TLS handshake is under way

    def __post_init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.draining = False
        self.sessions: set[Guest] = set()
        self.greeting = Reply(220, "", f"{self.host_name} ESMTP Postroom").octets
        self.helo_reply = Reply(250, "", self.host_name)
        self.use(self.limits)

    def use(self, limits: Limits) -> None:
        """Take these limits for new sessions; texts are made once here, not per connection."""
        self.limits = limits
        self.caps = Caps(limits.connections, limits.connections_per_client, networks(list(limits.trusted)))
        self._offers = tuple(
            extensions.offer(self.manner, limits, secured=secured) for secured in (False, True)
        )
        self._ehlo = tuple(Reply(250, "", "\n".join((self.host_name, *one.words))) for one in self._offers)

    def ehlo_reply(self, secured: bool) -> Reply:
        """Return the reply to EHLO, in clear or under TLS."""
        return self._ehlo[secured]

    def offer(self, client: Client) -> extensions.Offer:
        """Return the extensions that this client may use."""
        return self._offers[client.secured] if client.extended else extensions.NO_EXTENSIONS

    def tls_context(self) -> ssl.SSLContext:
        """The server's certificates."""
        if self.certificates is None:
            raise Unavailable("no certificates")
        return self.certificates()

    # who is connected

    def name_of(self, transport: asyncio.BaseTransport) -> str:
        """The client's IP address, or "local"."""
        peer = transport.get_extra_info("peername")
        if self.manner.local or not isinstance(peer, tuple):
            return "local"
        return str(peer[0]).removeprefix("::ffff:")

    def admit(self, session: Guest) -> Reply | None:
        """Count a new session, or say why there are too many."""
        network = network_of(session.client.address)
        if self.draining:
            return sayings.CLOSING
        if self.crowd.total >= self.caps.total:
            refusal = sayings.TOO_MANY_CONNECTIONS
        elif self.crowd.of(network) >= self.caps.per_client and not self.exempt(session.client.address):
            refusal = sayings.TOO_MANY_FROM_YOU
        else:
            self.sessions.add(session)
            self.crowd.enter(network)
            return None
        self.log.warning(
            f"connect refused: client={session.client.address} {refusal}", client=session.client.address
        )
        return refusal

    def exempt(self, address: str) -> bool:
        """Whether the cap per client does not apply."""
        return self.manner.local or self.caps.trusts(address)

    def share(self) -> float:
        """Return the share of the connection cap that is in use in all workers: 0.0 for none, 1.0 for all of it."""
        return self.crowd.total / self.caps.total

    def pressed(self, client: Client) -> bool:
        """Whether the strict limits hold for this client; for whom we know they do so later than for strangers."""
        known = self.manner.local or client.login is not None
        limits = self.limits
        return self.share() >= (limits.pressure_share_login if known else limits.pressure_share)

    def left(self, session: Guest) -> None:
        """A session has ended."""
        if session in self.sessions:
            self.sessions.discard(session)
            self.crowd.leave(network_of(session.client.address))

    # what sessions tell

    def refused(
        self, client: Client, transaction: Transaction, line: bytes, reply: Reply, error: MailError | None
    ) -> None:
        """A refusal worth a line: of a sender, a recipient, a message or a login."""
        verb = line.partition(b" ")[0][:8].decode("latin-1").upper().strip()
        words = [f"reject: {verb} from {client.address}: {reply}"]
        if verb == "MAIL":
            words.append(f"from={_path_text(line[10:])}")
        elif verb != "AUTH":
            words.append(f"from={envelope_text(transaction.mail.sender if transaction.mail else None)}")
        if verb == "RCPT":
            words.append(f"to={_path_text(line[8:])}")
        elif transaction.accepted:
            more = f" and {len(transaction.accepted) - 1} more" if len(transaction.accepted) > 1 else ""
            words.append(f"to={envelope_text(transaction.accepted[0].given.address)}{more}")
        if client.login:
            words.append(f"account={client.login.address}")
        words.append(f"helo=<{client.helo}>")
        if isinstance(error, Unavailable) and error.args:
            words.append(f"reason={error}")
        self.log.info(" ".join(words), client=client.address)

    def sent_away(self, client: Client, reply: Reply) -> None:
        """A client that speaks badly or for nothing, whose single mistakes are not logged."""
        self.log.info(f"disconnect: client={client.address} {reply}", client=client.address)

    def handshake_failed(self, client: Client, error: BaseException) -> None:
        """The one line of a failed TLS handshake."""
        self.log.info(
            f"TLS handshake failed: client={client.address} {tls_reason(error)}", client=client.address
        )

    def injected(self, client: Client) -> None:
        """Plain text behind STARTTLS."""
        self.log.warning(
            f"plain text behind STARTTLS refused: client={client.address}", client=client.address
        )

    def failed(self, client: Client, error: Exception) -> None:
        """Something nobody expected."""
        self.log.error(f"internal error: client={client.address} {where(error)}", client=client.address)


def _path_text(argument: bytes) -> str:
    """What a client gave as an address, without the parameters behind it."""
    return argument.strip()[:320].partition(b" ")[0].decode("latin-1")


def network_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or an IPv6 network of 64 bits, which one host can own."""
    if ":" not in address:
        return address
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
    return address


def envelope_text(address: Address | None) -> str:
    """An address for the log."""
    return f"<{address}>" if address else "<>"
