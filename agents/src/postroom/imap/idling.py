"""IDLE: changes are sent while the client waits. RFC 2177.

Room rule: a waiting session is one suspended read and one callback; it has no task, no timer of its own and no open
database.
"""

import asyncio
from typing import Final

from postroom.imap import news, standing
from postroom.imap.dispatch import CommandHandler, LookForNews
from postroom.imap.refusals import Bye, TaggedReply, bad
from postroom.imap.session import ImapSession
from postroom.wire.imap import responses
from postroom.wire.imap.idling import Idle

GATHER: Final = 0.02  # seconds in which further changes join the first
# In seconds: keeps address translators awake, and finds dead peers and notices that were lost.
STILL_HERE: Final = 110.0
_LONGEST_LINE: Final = 1024


async def idle(session: ImapSession, command: Idle) -> TaggedReply:
    """Carry out IDLE until DONE."""
    pusher = _Pusher(session)
    session.write(responses.continuation(b"idling"))
    session.on_news = pusher.news
    try:
        pusher.news()
        line = await _wait_for_line(session, pusher)
    finally:
        session.on_news = None
        await pusher.stop()
    if line.upper() != b"DONE":
        return bad(b"DONE expected")
    return TaggedReply()


async def _wait_for_line(session: ImapSession, pusher: "_Pusher") -> bytes:
    """Return the line that ends IDLE. Raises TimeoutError after `idle_timeout`."""
    clock, connection, framer = session.context.clock, session.connection, session.input.framer
    until = clock.steady() + session.context.config.idle_timeout
    while True:
        line = framer.next_line(_LONGEST_LINE)
        if isinstance(line, bytes):
            return line
        if line is not None:
            raise Bye("DONE expected")
        connection.timeout = max(min(STILL_HERE, until - clock.steady()), 0.01)
        try:
            octets = await connection.read()
        except TimeoutError:
            if clock.steady() >= until:
                raise
            await standing.check(session)
            session.write(responses.status(b"*", b"OK", b"Still here"))
            pusher.news()
            continue
        if not octets:
            raise ConnectionResetError("peer is gone")
        framer.feed(octets)


class _Pusher:
    """Look for changes once several may have gathered, one look at a time."""

    __slots__ = ("_again", "_gathering", "_session", "_task")

    def __init__(self, session: ImapSession) -> None:
        self._session = session
        self._task: asyncio.Task[None] | None = None
        self._again = self._gathering = False

    def news(self) -> None:
        if self._session.view is None:
            return
        self._again = True
        if self._task is None:
            self._task = asyncio.ensure_future(self._push())

    async def stop(self) -> None:
        """Wait for a look that has begun: its responses belong before the reply."""
        self._again = False
        if self._task is not None:
            if self._gathering:  # the look has not begun; the one before the reply brings what was gathered
                self._task.cancel()
            await asyncio.wait((self._task,))

    async def _push(self) -> None:
        session = self._session
        try:
            while self._again:
                self._gathering = True
                await asyncio.sleep(GATHER)
                self._again = self._gathering = False
                await news.look(session, expunges=True)
                await session.connection.drain()
        except Bye as bye:
            session.bye(str(bye).encode())
        except (TimeoutError, ConnectionError):
            session.connection.close()
        finally:
            self._task = None


HANDLERS: Final = (CommandHandler(Idle, idle, news=LookForNews.ALWAYS),)
