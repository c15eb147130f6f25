"""The server of one kind of listener: it accepts connections, enforces deadlines and drains. Its sessions see only
`context`.
"""

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from functools import partial
from typing import Final

from postroom.runtime.plain_transport import PlainTransport
from postroom.runtime.tls_transport import accept_tls
from postroom.smtpd import replies
from postroom.smtpd.context import HANDSHAKE_SECONDS, SmtpContext, network_of
from postroom.smtpd.reception import Client
from postroom.smtpd.session import SmtpSession
from postroom.smtpd.verbs import VERBS

PATROL_SECONDS: Final = 2.0
BACKLOG: Final = 1024


@dataclass(kw_only=True)
class SmtpServer(SmtpContext):
    """The open sessions of one kind of listener, and its listening sockets."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._servers: list[asyncio.AbstractServer] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._handshakes: set[asyncio.Task[None]] = set()
        self._patrol: asyncio.TimerHandle | None = None

    async def start(self, sockets: list[socket.socket]) -> None:
        """Serve on these listening sockets."""
        for listening in sockets:
            if self.listener.implicit_tls:
                self._accepting.append(self.loop.create_task(self._accept_secured(listening)))
                continue
            unix = listening.family == socket.AF_UNIX
            create = self.loop.create_unix_server if unix else self.loop.create_server
            server = await create(
                lambda: PlainTransport(SmtpSession(self, VERBS)), sock=listening, backlog=BACKLOG
            )
            self._servers.append(server)
        self._patrol = self.loop.call_later(PATROL_SECONDS, self._walk)

    async def _accept_secured(self, listening: socket.socket) -> None:
        """Accept connections that start with TLS. The plain transport cannot do this: it would read octets meant for
        TLS.
        """
        listening.setblocking(False)
        while True:
            try:
                accepted, peer = await self.loop.sock_accept(listening)
            except OSError as error:  # out of descriptors, or the peer left before it was accepted
                self.log.error(f"cannot accept connections: {error.strerror}")
                await asyncio.sleep(0.1)
                continue
            address = str(peer[0]).removeprefix("::ffff:")
            network = network_of(address)
            crowded = self.handshakes.count(network) >= self.connection_limits.per_client and not self.exempt(
                address
            )
            if crowded or self.handshakes.total >= self.connection_limits.total:
                self.log.warning(f"connect refused: client={address} too many handshakes", client=address)
                accepted.close()
                continue
            task = self.loop.create_task(self._secure(accepted, address))
            self.handshakes.enter(network)
            self._handshakes.add(task)
            task.add_done_callback(partial(self._shook, network))

    def _shook(self, network: str, task: asyncio.Task[None]) -> None:
        self._handshakes.discard(task)
        self.handshakes.leave(network)

    async def _secure(self, accepted: socket.socket, address: str) -> None:
        try:
            await accept_tls(accepted, SmtpSession(self, VERBS), self.tls_context(), HANDSHAKE_SECONDS)
        except (OSError, TimeoutError) as error:
            self.log_handshake_failure(Client(address), error)

    def _walk(self) -> None:
        self._patrol = self.loop.call_later(PATROL_SECONDS, self._walk)
        self.look_after(self.loop.time())

    def look_after(self, now: float) -> None:
        """End the sessions whose peers are overdue at `now` (the loop's time)."""
        for session in [one for one in self.sessions if one.overdue(now)]:
            self.log.info(f"timeout: client={session.client.address}", client=session.client.address)
            session.expire()

    async def drain(self, seconds: float) -> None:
        """Stop accepting. Close idle sessions at once and the others after their transaction."""
        self.draining = True
        for server in self._servers:
            server.close()
        for task in self._accepting:
            task.cancel()
        for session in self.sessions:
            if session.idle():
                session.end(replies.CLOSING.octets)
        tasks = {session.task for session in self.sessions if session.task}
        if tasks:
            _, unfinished = await asyncio.wait(tasks, timeout=seconds)
            for task in unfinished:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*unfinished, return_exceptions=True)
        if self._patrol is not None:
            self._patrol.cancel()
