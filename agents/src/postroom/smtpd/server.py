"""A listener: accepts, caps, watches over deadlines, drains; and the log lines of all its sessions."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from postroom.contracts.errors import MailError, Unavailable
from postroom.runtime.connections import Caps, networks, tls_reason
from postroom.runtime.crowd import Crowd
from postroom.runtime.log import Log
from postroom.runtime.service import where
from postroom.runtime.transports import Inlet, accept_tls
from postroom.smtpd import sayings
from postroom.smtpd.reception import Client, Limits, Manner, Reception
from postroom.smtpd.session import HANDSHAKE_SECONDS, SmtpSession, envelope_text
from postroom.smtpd.transaction import Transaction
from postroom.wire.smtp.replies import Reply

PATROL_SECONDS: Final = 2.0
BACKLOG: Final = 1024
_PLAIN_PARAMETERS: Final = frozenset({"SIZE", "BODY"})
_LOGIN_PARAMETERS: Final = _PLAIN_PARAMETERS | {"AUTH"}
_NO_PARAMETERS: Final[frozenset[str]] = frozenset()


@dataclass(kw_only=True)
class SmtpServer:
    """All sessions of one kind of listener."""

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
        self.sessions: set[SmtpSession] = set()
        self._servers: list[asyncio.AbstractServer] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._handshakes: set[asyncio.Task[None]] = set()
        self._patrol: asyncio.TimerHandle | None = None
        self.greeting = Reply(220, "", f"{self.host_name} ESMTP Postroom").octets
        self.helo_reply = Reply(250, "", self.host_name)
        self.use(self.limits)

    def use(self, limits: Limits) -> None:
        """Take these limits for new sessions; texts are made once here, not per connection."""
        self.limits = limits
        self._caps = Caps(limits.connections, limits.connections_per_client, networks(list(limits.trusted)))
        self._ehlo_plain = self._ehlo(secured=False)
        self._ehlo_secured = self._ehlo(secured=True)

    def _ehlo(self, *, secured: bool) -> Reply:
        lines = [
            self.host_name,
            f"SIZE {self.limits.message_octets}",
            "8BITMIME",
            "PIPELINING",
            "ENHANCEDSTATUSCODES",
        ]
        if self.manner.starttls and not secured:
            lines.append("STARTTLS")
        if self.manner.login and secured:
            lines.append("AUTH PLAIN LOGIN")
        return Reply(250, "", "\n".join(lines))

    def ehlo_reply(self, secured: bool) -> Reply:
        """What EHLO is answered with."""
        return self._ehlo_secured if secured else self._ehlo_plain

    def mail_parameters(self, client: Client) -> frozenset[str]:
        """Parameters of MAIL that were announced to this client."""
        if not client.extended:
            return _NO_PARAMETERS
        return _LOGIN_PARAMETERS if self.manner.login else _PLAIN_PARAMETERS

    def tls_context(self) -> ssl.SSLContext:
        """The server's certificates."""
        if self.certificates is None:
            raise Unavailable("no certificates")
        return self.certificates()

    # life

    async def start(self, sockets: list[socket.socket]) -> None:
        """Serve on these listening sockets."""
        for listening in sockets:
            if self.manner.implicit_tls:
                self._accepting.append(self.loop.create_task(self._accept_secured(listening)))
                continue
            unix = listening.family == socket.AF_UNIX
            create = self.loop.create_unix_server if unix else self.loop.create_server
            server = await create(lambda: Inlet(SmtpSession(self)), sock=listening, backlog=BACKLOG)
            self._servers.append(server)
        self._patrol = self.loop.call_later(PATROL_SECONDS, self._walk)

    async def _accept_secured(self, listening: socket.socket) -> None:
        """Accept for TLS from the first octet: a transport that reads before TLS takes over would lose octets."""
        listening.setblocking(False)
        while True:
            try:
                accepted, peer = await self.loop.sock_accept(listening)
            except OSError as error:  # out of descriptors, or the peer left in the queue
                self.log.error(f"cannot accept connections: {error.strerror}")
                await asyncio.sleep(0.1)
                continue
            address = str(peer[0]).removeprefix("::ffff:")
            network = _network(address)
            crowded = self.shaking.of(network) >= self._caps.per_client and not self._exempt(address)
            if crowded or self.shaking.total >= self._caps.total:
                self.log.warning(f"connect refused: client={address} too many handshakes", client=address)
                accepted.close()
                continue
            task = self.loop.create_task(self._secure(accepted, address))
            self.shaking.enter(network)
            self._handshakes.add(task)
            task.add_done_callback(partial(self._shook, network))

    def _shook(self, network: str, task: asyncio.Task[None]) -> None:
        self._handshakes.discard(task)
        self.shaking.leave(network)

    async def _secure(self, accepted: socket.socket, address: str) -> None:
        try:
            await accept_tls(accepted, SmtpSession(self), self.tls_context(), HANDSHAKE_SECONDS)
        except (OSError, TimeoutError) as error:
            self.handshake_failed(Client(address), error)

    def _walk(self) -> None:
        self._patrol = self.loop.call_later(PATROL_SECONDS, self._walk)
        self.look_after(self.loop.time())

    def look_after(self, now: float) -> None:
        """End the sessions whose peers are overdue at `now` (the loop's time)."""
        for session in [one for one in self.sessions if one.overdue(now)]:
            self.log.info(f"timeout: client={session.client.address}", client=session.client.address)
            session.expire()

    async def drain(self, seconds: float) -> None:
        """Accept nothing more; idle clients are told at once, the others after their transaction."""
        self.draining = True
        for server in self._servers:
            server.close()
        for task in self._accepting:
            task.cancel()
        for session in self.sessions:
            if session.idle():
                session.end(sayings.CLOSING.octets)
        tasks = {session._handler_coroutine for session in self.sessions if session._handler_coroutine}
        if tasks:
            _, unfinished = await asyncio.wait(tasks, timeout=seconds)
            for task in unfinished:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*unfinished, return_exceptions=True)
        if self._patrol is not None:
            self._patrol.cancel()

    # what sessions tell

    def name_of(self, transport: asyncio.BaseTransport) -> str:
        """The client's IP address, or "local"."""
        peer = transport.get_extra_info("peername")
        if self.manner.local or not isinstance(peer, tuple):
            return "local"
        return str(peer[0]).removeprefix("::ffff:")

    def admit(self, session: SmtpSession) -> Reply | None:
        """Count a new session, or say why there are too many."""
        network = _network(session.client.address)
        if self.draining:
            return sayings.CLOSING
        if self.crowd.total >= self._caps.total:
            refusal = sayings.TOO_MANY_CONNECTIONS
        elif self.crowd.of(network) >= self._caps.per_client and not self._exempt(session.client.address):
            refusal = sayings.TOO_MANY_FROM_YOU
        else:
            self.sessions.add(session)
            self.crowd.enter(network)
            return None
        self.log.warning(
            f"connect refused: client={session.client.address} {refusal}", client=session.client.address
        )
        return refusal

    def _exempt(self, address: str) -> bool:
        return self.manner.local or self._caps.trusts(address)

    def left(self, session: SmtpSession) -> None:
        """A session has ended."""
        if session in self.sessions:
            self.sessions.discard(session)
            self.crowd.leave(_network(session.client.address))

    def pressure(self) -> float:
        """Return the share of the connection cap that is in use in all workers: 0.0 for none, 1.0 for all of it."""
        return self.crowd.total / self._caps.total

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


def _network(address: str) -> str:
    """What counts as one client: an IPv4 address, or an IPv6 network of 64 bits, which one host can own."""
    if ":" not in address:
        return address
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
    return address
