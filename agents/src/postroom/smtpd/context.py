"""What all sessions of one listener share: limits, the set of open sessions, prepared replies, and the log lines.

Room rule: sessions know this module but not the server, which builds on it.
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
from postroom.runtime.connections import ConnectionLimits, networks, tls_reason
from postroom.runtime.log import Log
from postroom.runtime.service import where
from postroom.runtime.shared_counters import SharedCounter
from postroom.smtpd import extensions, replies
from postroom.smtpd.reception import Client, ListenerSettings, Reception, SessionLimits
from postroom.smtpd.transaction import Transaction
from postroom.wire.smtp.replies import Reply

HANDSHAKE_SECONDS: Final = 30.0


class WatchedSession(Protocol):
    """The part of a session that the listener deals with."""

    client: Client
    task: "asyncio.Task[None] | None"

    def overdue(self, now: float) -> bool:
        """Return whether the peer has used up its time at `now` (the loop's time)."""

    def expire(self) -> None:
        """End the session because its peer is too slow."""

    def idle(self) -> bool:
        """Return whether the session can be closed at once when the server drains."""

    def end(self, reply: bytes) -> None:
        """End the session at its next wait and send `reply` as the last words."""


@dataclass(kw_only=True)
class SmtpContext:
    """The state of one kind of listener. The agent builds it once."""

    host_name: str
    reception: Reception
    limits: SessionLimits
    listener: ListenerSettings
    log: Log
    certificates: Callable[[], ssl.SSLContext] | None = None
    counter: SharedCounter = field(default_factory=SharedCounter)  # connections by client network
    handshakes: SharedCounter = field(
        default_factory=SharedCounter
        # Clients whose TLS handshake is under way.
    )

    def __post_init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.draining = False
        self.sessions: set[WatchedSession] = set()
        self.greeting = Reply(220, "", f"{self.host_name} ESMTP Postroom").octets
        self.helo_reply = Reply(250, "", self.host_name)
        self.use(self.limits)

    def use(self, limits: SessionLimits) -> None:
        """Use these limits for new sessions, and prepare the replies that depend on them."""
        self.limits = limits
        self.connection_limits = ConnectionLimits(
            limits.connections, limits.connections_per_client, networks(list(limits.trusted))
        )
        self._offers = tuple(
            extensions.offer(self.listener, limits, secured=secured) for secured in (False, True)
        )
        self._ehlo = tuple(Reply(250, "", "\n".join((self.host_name, *one.words))) for one in self._offers)

    def ehlo_reply(self, secured: bool) -> Reply:
        """Return the reply to EHLO, in clear or under TLS."""
        return self._ehlo[secured]

    def offer(self, client: Client) -> extensions.Offer:
        """Return the extensions that this client may use."""
        return self._offers[client.secured] if client.extended else extensions.NO_EXTENSIONS

    def tls_context(self) -> ssl.SSLContext:
        """Return the context with the server's certificates. Raises Unavailable."""
        if self.certificates is None:
            raise Unavailable("no certificates")
        return self.certificates()

    # connections

    def client_address(self, transport: asyncio.BaseTransport) -> str:
        """Return the client's IP address, or "local"."""
        peer = transport.get_extra_info("peername")
        if self.listener.local or not isinstance(peer, tuple):
            return "local"
        return str(peer[0]).removeprefix("::ffff:")

    def admit(self, session: WatchedSession) -> Reply | None:
        """Count a new session. Return the refusal if there are too many."""
        network = network_of(session.client.address)
        if self.draining:
            return replies.CLOSING
        # Counted before it is judged, so that workers that accept at the same moment see one another.
        self.counter.enter(network)
        if self.counter.total > self.connection_limits.total:
            refusal = replies.TOO_MANY_CONNECTIONS
        elif self.counter.count(network) > self.connection_limits.per_client and not self.exempt(
            session.client.address
        ):
            refusal = replies.TOO_MANY_FROM_YOU
        else:
            self.sessions.add(session)
            return None
        self.counter.leave(network)
        self.log.warning(
            f"connect refused: client={session.client.address} {refusal}", client=session.client.address
        )
        return refusal

    def exempt(self, address: str) -> bool:
        """Return whether the connection limit per client does not apply."""
        return self.listener.local or self.connection_limits.trusts(address)

    def share(self) -> float:
        """Return the share of the connection limit that is in use in all workers, from 0.0 to 1.0."""
        return self.counter.total / self.connection_limits.total

    def under_pressure(self, client: Client) -> bool:
        """Return whether the strict limits hold for this client. Known clients come under them later than strangers."""
        known = self.listener.local or client.login is not None
        limits = self.limits
        return self.share() >= (limits.pressure_share_login if known else limits.pressure_share)

    def release(self, session: WatchedSession) -> None:
        """Forget a session that has ended."""
        if session in self.sessions:
            self.sessions.discard(session)
            self.counter.leave(network_of(session.client.address))

    # log lines

    def log_refusal(
        self, client: Client, transaction: Transaction, line: bytes, reply: Reply, error: MailError | None
    ) -> None:
        """Log the refusal of a sender, a recipient, a message or a login."""
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

    def log_disconnect(self, client: Client, reply: Reply) -> None:
        """Log that the server closes a connection whose single errors it does not log."""
        self.log.info(f"disconnect: client={client.address} {reply}", client=client.address)

    def log_handshake_failure(self, client: Client, error: BaseException) -> None:
        """Log a failed TLS handshake in one line."""
        self.log.info(
            f"TLS handshake failed: client={client.address} {tls_reason(error)}", client=client.address
        )

    def log_injection(self, client: Client) -> None:
        """Log that plain text followed STARTTLS."""
        self.log.warning(
            f"plain text behind STARTTLS refused: client={client.address}", client=client.address
        )

    def log_internal_error(self, client: Client, error: Exception) -> None:
        """Log an unexpected exception."""
        self.log.error(f"internal error: client={client.address} {where(error)}", client=client.address)


def _path_text(argument: bytes) -> str:
    """Return the address in a client's argument without the parameters that follow it."""
    return argument.strip()[:320].partition(b" ")[0].decode("latin-1")


def network_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or an IPv6 /64, since one host can own all of it."""
    if ":" not in address:
        return address
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
    return address


def envelope_text(address: Address | None) -> str:
    """Format an address for the log."""
    return f"<{address}>" if address else "<>"
