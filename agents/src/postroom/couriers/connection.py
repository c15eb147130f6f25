"""One connection to a server that speaks SMTP or LMTP: sends octets, receives replies, each with its time limit."""

import asyncio
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar, cast

from postroom.contracts.errors import MailError
from postroom.wire.smtp.client import DATA_BLOCK, Conversation, Payload, Step, stuffed
from postroom.wire.smtp.replies import Reply, ReplyError, ReplyReader

T = TypeVar("T")
Chunks = Callable[[], Iterable[bytes]]


class ConnectionLost(Exception):
    """The connection cannot be used any more. The text says what happened."""


class MessageCut(ConnectionLost):
    """The connection broke before the end of the message was sent, so the server cannot have accepted it."""


class MessageUnreadable(ConnectionLost):
    """Our own copy of the message cannot be read to its end, so the server never saw the end.

    The text is for the log.
    """


class PeerConnection(asyncio.Protocol):
    """Runs conversations. `scale` multiplies every time limit of RFC 5321."""

    def __init__(self, scale: float = 1.0) -> None:
        self._scale = scale
        self._reader = ReplyReader()
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._draining: asyncio.Future[None] | None = None
        self._problem = ""
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Keep octets from the server."""
        self._reader.feed(data)
        if self._reader.unread > 4 << 20:  # more than any command asks for
            self._fail("server floods us with replies")
        self._wake()

    def eof_received(self) -> bool:
        """Note that the server sends nothing more."""
        self._fail("server closed the connection")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is closed."""
        self._fail(f"connection lost: {exc}" if exc else "server closed the connection")

    def pause_writing(self) -> None:
        """Pause, because the server reads slower than we send."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on, because the server has caught up."""
        self._paused = False
        if self._draining is not None and not self._draining.done():
            self._draining.set_result(None)

    @property
    def usable(self) -> bool:
        """Return whether another transaction may begin: no problem so far and no unsolicited octets."""
        return not self._problem and not self._reader.unread

    @property
    def problem(self) -> str:
        """Return what is wrong with the connection; "" if nothing is."""
        return self._problem

    def note(self, problem: str) -> None:
        """Record why the connection must not be used any more."""
        self._problem = self._problem or problem

    def _fail(self, problem: str) -> None:
        self.note(problem)
        self._wake()
        self.resume_writing()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def converse(self, conversation: Conversation[T], content: Chunks | None = None) -> T:
        """Run a conversation to its end. Raises ConnectionLost, and what the conversation raises."""
        try:
            step = next(conversation)
            while True:
                reply = await self._send(step, content)
                step = conversation.send(reply or await self._reply(step.timeout * self._scale))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _send(self, step: Step | Payload, content: Chunks | None) -> Reply | None:
        """Send the octets of a step.

        Return the refusal of a server that closed before it read them. RFC 5321 section 3.8.
        """
        try:
            if isinstance(step, Payload):
                assert content is not None
                await self._send_content(content, step.behind)
            elif step.octets:
                self._write(step.octets)
        except MessageUnreadable:
            raise
        except ConnectionLost:
            reply = None
            with suppress(ReplyError):
                reply = self._reader.next_reply()
            if reply is None or reply.positive:  # a positive reply to unsent octets does not count
                raise
            return reply
        return None

    def _write(self, octets: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionLost(self._problem or "connection is closed")
        self._transport.write(octets)

    async def _send_content(self, content: Chunks, behind: bytes) -> None:
        try:
            pieces: list[bytes] = []
            held = 0
            for piece in stuffed(content()):
                pieces.append(piece)
                held += len(piece)
                if held > 131_072:
                    self._write(b"".join(pieces))
                    pieces, held = [], 0
                    await self._caught_up()
            self._write(b"".join((*pieces, behind)))
        except ConnectionLost as error:
            raise MessageCut(str(error)) from error
        except (
            OSError,
            MailError,
        ) as error:  # our queue failed: an unfinished message must not look complete
            self.abort("message cannot be read")
            raise MessageUnreadable(str(error)) from error
        await self._caught_up()

    async def _caught_up(self) -> None:
        while self._paused and not self._problem:
            self._draining = asyncio.get_running_loop().create_future()
            try:
                await asyncio.wait_for(self._draining, DATA_BLOCK * self._scale)
            except TimeoutError:
                problem = "server does not take the message: timed out"
                self.abort(problem)
                raise ConnectionLost(problem) from None

    async def _reply(self, seconds: float) -> Reply:
        """Return the next reply, which must be complete before the deadline."""
        reply = self._heard()
        if reply is not None:
            return reply
        loop = asyncio.get_running_loop()
        timer = loop.call_later(seconds, self._fail, "timed out while waiting for a reply")
        try:
            while reply is None:
                self._waiting = loop.create_future()
                await self._waiting
                reply = self._heard()
        finally:
            timer.cancel()
        return reply

    def _heard(self) -> Reply | None:
        try:
            reply = self._reader.next_reply()
        except ReplyError as error:
            problem = f"not an SMTP server's reply: {error}"
            self.abort(problem)
            raise ConnectionLost(problem) from error
        if reply is None and self._problem:
            raise ConnectionLost(self._problem)
        return reply

    async def start_tls(self, context: ssl.SSLContext, name: str, seconds: float) -> ssl.SSLObject:
        """Begin TLS. Raises ssl.SSLError: the handshake failed, or the peer left; ConnectionLost."""
        if self._reader.unread:  # plain text before TLS may be an attacker's (RFC 3207 section 6)
            problem = "octets behind the reply to STARTTLS"
            self.abort(problem)
            raise ConnectionLost(problem)
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(
                self._transport, self, context, server_hostname=name, ssl_handshake_timeout=seconds
            )
        except ssl.SSLError:
            raise
        except (OSError, TimeoutError) as error:
            raise ssl.SSLError(ssl.SSL_ERROR_SYSCALL, str(error) or "timed out") from error
        if transport is None:
            raise ssl.SSLError(ssl.SSL_ERROR_EOF, "connection lost")
        self._transport = transport
        self._reader = ReplyReader()
        return cast(ssl.SSLObject, transport.get_extra_info("ssl_object"))

    def quit(self) -> None:
        """Send QUIT without waiting for the answer."""
        if self._transport is not None and not self._transport.is_closing():
            if not self._problem:
                self._transport.write(b"QUIT\r\n")
            self._transport.close()

    def abort(self, problem: str = "connection aborted") -> None:
        """Abort the connection and drop unsent octets. `problem` says why."""
        self._fail(problem)
        if self._transport is not None:
            self._transport.abort()
