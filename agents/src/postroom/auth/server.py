"""The server side of Dovecot's auth-client protocol: reads requests, writes verdicts."""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from itertools import count

from postroom.auth.judge import LoginOutcome, LoginVerdict
from postroom.runtime.connections import Connection
from postroom.runtime.log import Log
from postroom.runtime.service import where
from postroom.wire import auth_protocol as proto
from postroom.wire import sasl
from postroom.wire.lines import LineBuffer, LineTooLong

HANDSHAKE_SECONDS = 30.0
IDLE_SECONDS = 86_400.0  # the peers are our own agents, which keep their connection open
MAX_EXCHANGES = 5000  # open requests on one connection; further ones are refused for now
LOOPBACK = frozenset({"", "local", "127.0.0.1", "::1"})

Judging = Callable[[sasl.Plain, str], Awaitable[LoginVerdict]]


class AuthServer:
    """Serves connections. It calls `judge` once per finished SASL exchange."""

    def __init__(self, judge: Judging, log: Log) -> None:
        self._judge = judge
        self._log = log
        self._connections = count(1)
        self._peers: set[_Peer] = set()

    async def serve(self, connection: Connection) -> None:
        """Serve one connection to its end. A peer that breaks the protocol is disconnected with one log line."""
        peer = _Peer(connection, self._judge, self._log)
        self._peers.add(peer)
        cookie = secrets.token_hex(16)
        connection.write(
            proto.server_handshake(os.getpid(), next(self._connections), cookie, sasl.MECHANISMS)
        )
        try:
            await peer.listen()
        except (proto.ProtocolError, LineTooLong) as error:
            self._log.warning(f"dropped a peer on the auth socket: {error}", client="local")
        finally:
            self._peers.discard(peer)
            peer.leave()

    async def finish(self, seconds: float) -> None:
        """Wait until all open requests have been answered, then close every connection."""
        answered = [peer.idle() for peer in self._peers]
        if answered:
            await asyncio.wait([asyncio.ensure_future(wait) for wait in answered], timeout=seconds)
        for peer in tuple(self._peers):
            peer.leave()


class _Peer:
    """One connection and its open requests."""

    def __init__(self, connection: Connection, judge: Judging, log: Log) -> None:
        self._connection = connection
        self._judge = judge
        self._log = log
        self._asking: dict[int, tuple[proto.AuthRequest, sasl.Asking]] = {}
        self._judging: dict[int, asyncio.Task[None]] = {}
        self._version_known = False
        self._greeted = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def listen(self) -> None:
        """Read until the peer disconnects. Raises ProtocolError, LineTooLong, TimeoutError, ConnectionError."""
        buffer = LineBuffer(b"\n", proto.MAX_LINE)
        self._connection.timeout = HANDSHAKE_SECONDS
        while octets := await self._connection.read():
            buffer.feed(octets)
            while (line := buffer.next_line()) is not None:
                self._heard(proto.read_command(line))
            await self._connection.drain()

    def leave(self) -> None:
        """Cancel the open requests."""
        for task in tuple(self._judging.values()):
            task.cancel()
        self._connection.close()

    async def idle(self) -> None:
        """Wait until no request is open."""
        await self._idle.wait()

    def _heard(self, command: proto.Command) -> None:
        match command:
            case proto.Version(major=major):
                if major != proto.MAJOR:
                    raise proto.ProtocolError("another major version")
                self._version_known = True
            case proto.ClientPid():
                self._greeted = self._version_known
                self._connection.timeout = IDLE_SECONDS
            case _ if not self._greeted:
                raise proto.ProtocolError("command before the handshake")
            case proto.AuthRequest():
                self._begin(command)
            case proto.Continuation():
                self._go_on(command)
            case proto.Cancel(id=number):
                self._asking.pop(number, None)

    def _begin(self, request: proto.AuthRequest) -> None:
        if request.id in self._judging or request.id in self._asking:
            raise proto.ProtocolError("request id is in use")
        if len(self._judging) + len(self._asking) >= MAX_EXCHANGES:
            self._connection.write(proto.fail(request.id, code="temp_fail"))
        elif request.fault:
            self._connection.write(proto.fail(request.id, reason=request.fault))
        elif not request.secured and request.client not in LOOPBACK:
            self._connection.write(proto.fail(request.id, reason="TLS is required"))
        else:
            self._step(request, lambda: sasl.begin(request.mechanism, request.response))

    def _go_on(self, command: proto.Continuation) -> None:
        known = self._asking.pop(command.id, None)
        if known is None:
            raise proto.ProtocolError("continuation of nothing")
        request, asking = known
        if command.fault:
            self._connection.write(proto.fail(request.id, reason=command.fault))
        else:
            self._step(request, lambda: asking.answered(command.response))

    def _step(self, request: proto.AuthRequest, take: Callable[[], sasl.Asking | sasl.Finished]) -> None:
        try:
            step = take()
            if isinstance(step, sasl.Asking):
                self._asking[request.id] = request, step
                self._connection.write(proto.continuation(request.id, step.challenge))
                return
            plain = sasl.parse_plain(step.response)
        except sasl.SaslError as error:
            self._connection.write(proto.fail(request.id, reason=str(error)))
            return
        if plain.authorization and plain.authorization.lower() != plain.name.lower():
            self._connection.write(proto.fail(request.id, plain.name, code="authz_fail"))
            return
        self._idle.clear()
        task = asyncio.ensure_future(self._answer(request, plain))
        self._judging[request.id] = task
        task.add_done_callback(lambda _: self._done(request.id))

    def _done(self, number: int) -> None:
        self._judging.pop(number, None)
        if not self._judging:
            self._idle.set()

    async def _answer(self, request: proto.AuthRequest, plain: sasl.Plain) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            verdict = await self._judge(plain, request.client or "local")
        except Exception as error:  # every request must get an answer
            verdict = LoginVerdict(LoginOutcome.UNAVAILABLE, detail=where(error))
        if verdict.outcome is not LoginOutcome.ACCEPTED:
            self._tell_log(request, plain, verdict)
        # counted from the question, so that the answer's time does not reveal how long the verdict took
        if verdict.delay:
            await asyncio.sleep(verdict.delay - (loop.time() - began))
        self._connection.write(_reply(request.id, plain.name, verdict))

    def _tell_log(self, request: proto.AuthRequest, plain: sasl.Plain, verdict: LoginVerdict) -> None:
        client = request.client or "local"
        why = f" reason={verdict.detail}" if verdict.detail else ""
        self._log.warning(
            f"login {verdict.outcome.value}: service={request.service[:20]} user=<{plain.name[:254]}> "
            f"client={client} session=<{request.session[:64]}>{why}",
            client=client,
        )


def _reply(number: int, name: str, verdict: LoginVerdict) -> bytes:
    if verdict.outcome is LoginOutcome.ACCEPTED and verdict.account is not None:
        return proto.ok(number, verdict.account.address, verdict.account.id)
    if verdict.outcome is LoginOutcome.THROTTLED:
        return proto.fail(number, name, code="temp_fail", throttled=True)
    if verdict.outcome is LoginOutcome.UNAVAILABLE:
        return proto.fail(number, name, code="temp_fail")
    return proto.fail(number, name)
