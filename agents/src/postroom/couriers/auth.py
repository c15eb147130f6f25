"""The client of the auth agent: one lasting connection that carries many requests at a time.

It speaks Dovecot's auth-client protocol, so Dovecot's own auth service works as the server too.
"""

import asyncio
import os
from contextlib import suppress
from itertools import count

from postroom.contracts.auth import Login, LoginAttempt
from postroom.contracts.errors import LoginRefused, LoginThrottled, Unavailable
from postroom.wire import auth_protocol as proto
from postroom.wire.lines import LineBuffer, LineTooLong

READ_SIZE = 65536
ANSWER_SECONDS = 40.0  # longer than the auth agent ever delays a refusal
CONNECT_SECONDS = 5.0
ATTEMPTS = 2  # a broken connection says nothing about the login, so ask once more


class _Broken(Exception):
    """The connection ended before the answer arrived."""


class _Connection:
    """One connection to the auth agent, and the requests that wait for an answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[proto.AuthReply]] = {}
        self._numbers = count(1)
        self._buffer = LineBuffer(b"\n", proto.MAX_LINE)
        self.broken = False
        writer.write(proto.client_handshake(os.getpid()))
        self._task = asyncio.ensure_future(self._listen())

    async def ask(self, attempt: LoginAttempt) -> proto.AuthReply:
        """Send a request and return the agent's answer. Raises _Broken, TimeoutError."""
        if self.broken:
            raise _Broken
        number = next(self._numbers) & proto.MAX_ID
        answer: asyncio.Future[proto.AuthReply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._writer.write(
            proto.auth_request(
                proto.AuthRequest(
                    number,
                    "PLAIN",
                    attempt.service,
                    attempt.client,
                    attempt.secured,
                    attempt.session,
                    attempt.response,
                )
            )
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await answer
        finally:
            self._waiting.pop(number, None)

    async def _listen(self) -> None:
        try:
            while octets := await self._reader.read(READ_SIZE):
                self._buffer.feed(octets)
                while (line := self._buffer.next_line()) is not None:
                    self._heard(proto.read_reply(line))
        except (OSError, proto.ProtocolError, LineTooLong):
            pass  # the waiting requests raise _Broken
        finally:
            self.end()

    def _heard(self, said: proto.AuthReply | proto.Version | None) -> None:
        if isinstance(said, proto.Version) and said.major != proto.MAJOR:
            raise proto.ProtocolError("another major version")
        if isinstance(said, proto.AuthReply):
            answer = self._waiting.get(said.id)
            if answer is not None and not answer.done():
                answer.set_result(said)

    def end(self) -> None:
        """Close the connection and fail all waiting requests."""
        self.broken = True
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(_Broken())
        self._waiting.clear()
        self._writer.close()

    async def close(self) -> None:
        """Close the connection and wait for the reading task."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


class AuthClient:
    """The Authenticator contract over the auth agent's socket. Connects when it is first needed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()

    async def authenticate(self, attempt: LoginAttempt) -> Login:
        """Have a login judged. Raises LoginRefused, LoginThrottled, Unavailable."""
        for _ in range(ATTEMPTS):
            try:
                connection = await self._connected()
                reply = await connection.ask(attempt)
            except _Broken:
                continue
            except (OSError, TimeoutError) as error:
                raise Unavailable(f"auth agent at {self._path}: {error or 'no answer'}") from error
            return _login(reply)
        raise Unavailable(f"auth agent at {self._path}: connection broke")

    async def close(self) -> None:
        """Close the connection; the next login opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connected(self) -> _Connection:
        async with self._connecting:
            if self._connection is None or self._connection.broken:
                async with asyncio.timeout(CONNECT_SECONDS):
                    reader, writer = await asyncio.open_unix_connection(self._path)
                self._connection = _Connection(reader, writer)
            return self._connection


def _login(reply: proto.AuthReply) -> Login:
    known = reply.parameters
    if reply.verb == "OK" and known.get("user"):
        return Login(known.get("account") or known["user"], known["user"])
    if reply.verb == "FAIL" and "throttled" in known:
        raise LoginThrottled("too many failures")
    if reply.verb == "FAIL" and (known.get("code") == "temp_fail" or "temp" in known):
        raise Unavailable("auth agent cannot judge now")
    if reply.verb == "FAIL":
        raise LoginRefused("authentication failed")
    raise Unavailable("auth agent asks for what PLAIN has said already")
