"""The loop of one connection from greeting to BYE: a command goes to its handler, then news and the reply go out.

Room rule: a handler is a row of a table that each family of commands exports; nothing here knows a command by name.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Generic, TypeVar

from postroom.contracts.errors import MailError, Unavailable
from postroom.imap import news, standing
from postroom.imap.refusals import FAULT, Bye, TaggedReply, bad, reply_to
from postroom.imap.session import ImapSession
from postroom.runtime.connections import PeerInjected
from postroom.wire.imap import responses
from postroom.wire.imap.commands import Command, Tagged
from postroom.wire.imap.framing import Event, Frame, Refused, WantsLiteral
from postroom.wire.imap.parser import Malformed, parse
from postroom.wire.imap.sequence import NoSuchMessage

PIPELINED: Final = 8  # commands of one client in a row before other sessions run
_SHUTTING: Final = b"Server shuts down, come back in a moment"
C = TypeVar("C", bound=Command)


class LookForNews(Enum):
    """When the session looks for changes of the selected mailbox, before the reply to a command."""

    WHEN_NOTED = "when something has changed"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class CommandHandler(Generic[C]):
    """How the server carries out one kind of command.

    `carry_out` returns the reply, or None when it has written it by itself. A command that names messages by number
    (`by_number`) gets no EXPUNGE responses before its reply, unless it came in its UID form (RFC 3501 section 7.4.1).
    """

    command: type[C]
    carry_out: Callable[[ImapSession, C], Awaitable[TaggedReply | None]]
    by_number: bool = False
    news: LookForNews = LookForNews.WHEN_NOTED


class CommandDispatcher:
    """Serve one session."""

    __slots__ = ("__weakref__", "_busy", "_errors", "_handlers", "_shutting", "_task", "session")

    def __init__(self, session: ImapSession, handlers: Mapping[type[Command], CommandHandler[Any]]) -> None:
        self.session = session
        self._handlers = handlers
        self._task: asyncio.Task[None] | None = None
        self._busy = self._shutting = False
        self._errors = 0

    async def run(self) -> None:
        """Serve until the client leaves, is sent away, or the connection breaks."""
        session = self.session
        self._task = asyncio.current_task()
        code = b"CAPABILITY " + session.capabilities()
        session.write(responses.status(b"*", b"OK", b"Postroom ready", code))
        try:
            await self._serve()
            if self._shutting:  # the command that was being carried out is answered
                session.bye(_SHUTTING)
        except Bye as bye:
            session.bye(str(bye).encode())
        except asyncio.CancelledError:
            if not self._shutting:
                raise
        except TimeoutError:
            session.bye(b"Autologout, idle for too long")
        finally:
            session.input.give_back()
            standing.leave_account(session)

    def shut_down(self) -> None:
        """End the session: at once when it waits for a command, else after the reply to the current one."""
        session = self.session
        session.over = self._shutting = True
        if self._task is not None and (not self._busy or session.on_news is not None):
            session.bye(_SHUTTING)
            # A peer that does not close its end of TLS must not keep the agent from ending.
            self._task.cancel()

    async def _serve(self) -> None:
        session, taken = self.session, 0
        while not session.over:
            event = await session.input.next_event()
            if event is None:
                return
            self._busy = True
            await self._take(event)
            self._busy = False
            if session.input.holds_finished_message:
                event = None  # frees the message before its room is given back
                session.input.give_back()
            await session.connection.drain()
            taken += 1
            if taken % PIPELINED == 0:
                await session.time_slice.give_way()

    async def _take(self, event: Event) -> None:
        session = self.session
        if isinstance(event, WantsLiteral):
            session.write(responses.continuation(b"OK"))
        elif isinstance(event, Frame):
            await self._command(event)
        elif event.fatal:
            session.write(responses.status(event.tag, b"BAD", event.text, b"TOOBIG"))
            raise Bye("Out of step with what was sent")
        else:
            self._refuse(event)

    def _refuse(self, event: Refused) -> None:
        condition, code = (b"NO", b"TOOBIG") if event.too_big else (b"BAD", b"")
        self.session.write(responses.status(event.tag, condition, event.text, code))
        self._count_error()

    async def _command(self, frame: Frame) -> None:
        session = self.session
        try:
            tagged = parse(frame, session.state)
        except Malformed as mistake:
            session.write(responses.status(mistake.tag, mistake.condition, mistake.text, mistake.code))
            if mistake.condition == b"BAD":
                self._count_error()
            return
        await standing.check(session)
        session.time_slice.begin()
        session.tag = tagged.tag
        handler = self._handlers[type(tagged.command)]
        try:
            reply = await handler.carry_out(session, tagged.command)
        except (Bye, PeerInjected, OSError):
            raise
        except Exception as error:  # handlers let none through that leaves a response half written
            reply = self._reply_to(tagged, error)
        if reply is None:
            return
        if reply.condition == b"OK":
            self._errors = 0
        if session.view is not None and handler.news is not LookForNews.NEVER:
            await self._tell_news(handler, tagged.by_uid)
        text = reply.text or tagged.verb + b" completed"
        session.write(responses.status(tagged.tag, reply.condition, text, reply.code))
        if reply.condition == b"BAD" or (reply.condition == b"NO" and session.account is None):
            self._count_error()

    def _reply_to(self, tagged: Tagged, error: Exception) -> TaggedReply:
        log = self.session.log
        if isinstance(error, MailError):
            if isinstance(error, Unavailable):
                log.failure(tagged.verb, error)
            return reply_to(error)
        if isinstance(error, NoSuchMessage):
            return bad(b"No message has this number")
        log.fault(tagged.verb.decode(), error)
        return FAULT

    async def _tell_news(self, handler: CommandHandler[Any], by_uid: bool) -> None:
        if self.session.news_pending or handler.news is LookForNews.ALWAYS:
            await news.look(self.session, expunges=by_uid or not handler.by_number, uids=by_uid)

    def _count_error(self) -> None:
        self._errors += 1
        if self._errors >= self.session.context.config.max_errors:
            raise Bye("Too many errors")
