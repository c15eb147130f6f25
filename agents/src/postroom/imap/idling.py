"""IDLE: news are pushed while the client waits. RFC 2177.

A waiting session is one suspended read and one callback; no task, no timer of its own and no open database.
"""

import asyncio
from typing import Final

from postroom.imap.refusals import Reply, bad
from postroom.imap.session import Bye, Session
from postroom.wire.imap import commands, responses

GATHER: Final = 0.02  # seconds in which further news join the first
STILL_HERE: Final = 110.0  # seconds; keeps address translators awake and notices dead peers and lost news
_LONGEST_LINE: Final = 1024


async def idle(session: Session, tagged: commands.Tagged) -> Reply:
    """IDLE until DONE."""
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
    return Reply()


async def _wait_for_line(session: Session, pusher: "_Pusher") -> bytes:
    """The line that ends IDLE. Raises TimeoutError after `idle_timeout`."""
    clock = session.surroundings.clock
    until = clock.steady() + session.surroundings.config.idle_timeout
    while True:
        line = session.framer.next_line(_LONGEST_LINE)
        if isinstance(line, bytes):
            return line
        if line is not None:
            raise Bye("DONE expected")
        session.connection.timeout = max(min(STILL_HERE, until - clock.steady()), 0.01)
        try:
            octets = await session.connection.read()
        except TimeoutError:
            if clock.steady() >= until:
                raise
            await session.check_standing()
            session.write(responses.status(b"*", b"OK", b"Still here"))
            pusher.news()
            continue
        if not octets:
            raise ConnectionResetError("peer is gone")
        session.framer.feed(octets)


class _Pusher:
    """Looks after news once they have gathered, one look at a time."""

    __slots__ = ("_again", "_gathering", "_session", "_task")

    def __init__(self, session: Session) -> None:
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
        """Let a look under way finish: its responses belong in front of the reply."""
        self._again = False
        if self._task is not None:
            if self._gathering:  # nothing is under way; what was gathered goes out in front of the reply
                self._task.cancel()
            await asyncio.wait((self._task,))

    async def _push(self) -> None:
        session = self._session
        try:
            while self._again:
                self._gathering = True
                await asyncio.sleep(GATHER)
                self._again = self._gathering = False
                await session.look(expunges=True)
                await session.connection.drain()
        except Bye as bye:
            session.bye(str(bye).encode())
        except (TimeoutError, ConnectionError):
            session.connection.close()
        finally:
            self._task = None
