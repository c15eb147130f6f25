"""A client's octets as commands and lines: how long the server waits for them and how much it holds meanwhile.

Room rule: this file knows time and memory; what a command means is for the parser.
"""

import asyncio
from typing import Final

from postroom.imap.context import ImapContext
from postroom.imap.refusals import Bye
from postroom.runtime.connections import Connection
from postroom.wire.imap.framing import Event, Framer, Refused

IN_COMMAND: Final = 300.0  # seconds of silence in the middle of a command
LARGE: Final = 131_072  # octets of a literal that needs room in the budget of all sessions
ROOM_SECONDS: Final = 60.0  # for which a large message may have to wait
SLOWEST: Final = 16_384  # octets a second: a large message that comes more slowly is cut off


class ClientInput:
    """Cut what one client sends into events."""

    __slots__ = (
        "_account_id",
        "_connection",
        "_context",
        "_login_until",
        "_reserved",
        "_reserved_until",
        "framer",
    )

    def __init__(self, connection: Connection, context: ImapContext) -> None:
        self.framer = Framer(context.limits_before_login())
        self._connection = connection
        self._context = context
        self._account_id = ""  # empty before login
        self._login_until = context.clock.steady() + context.config.login_timeout
        self._reserved = 0  # octets of the budget
        self._reserved_until = 0.0

    def enter_account(self, account_id: str) -> None:
        """Apply the limits of a logged-in client."""
        self._account_id = account_id
        self.framer.limits = self._context.limits_after_login()

    async def next_event(self) -> Event | None:
        """Return the next event, None once the client has closed the connection.

        Raises TimeoutError; Bye when a large message waits too long for memory.
        """
        while True:
            event = self.framer.next_event()
            if self.framer.expected >= LARGE and not self._reserved:
                await self._reserve(self.framer.expected)
            if event is not None:
                return event
            self._set_timeout()
            octets = await self._connection.read()
            if not octets:
                return None
            self.framer.feed(octets)

    async def next_line(self, limit: int) -> bytes:
        """Return one line on its own, for SASL.

        Raises Bye for a malformed or too long line, ConnectionError at the end of the connection, TimeoutError.
        """
        while True:
            line = self.framer.next_line(limit)
            if isinstance(line, Refused):
                raise Bye("Line is malformed or too long")
            if line is not None:
                return line
            self._set_timeout()
            octets = await self._connection.read()
            if not octets:
                raise ConnectionResetError("peer is gone")
            self.framer.feed(octets)

    def _set_timeout(self) -> None:
        """Set how long the next read may take; before login all reads together have `login_timeout` seconds."""
        if not self._account_id:
            self._connection.timeout = max(self._login_until - self._context.clock.steady(), 0.01)
        elif self._reserved:
            left = self._reserved_until - self._context.clock.steady()
            self._connection.timeout = max(min(IN_COMMAND, left), 0.01)
        elif self.framer.pending:
            self._connection.timeout = min(IN_COMMAND, self._context.config.idle_timeout)
        else:
            self._connection.timeout = self._context.config.idle_timeout

    async def _reserve(self, octets: int) -> None:
        """Wait for room for a large message before reading it. Raises Bye when that takes too long."""
        try:
            async with asyncio.timeout(ROOM_SECONDS):
                await self._context.incoming.take(self._account_id, octets)
        except TimeoutError:
            raise Bye("Too many large messages at a time, try again later") from None
        self._reserved = octets
        self._reserved_until = self._context.clock.steady() + ROOM_SECONDS + octets / SLOWEST

    @property
    def holds_finished_message(self) -> bool:
        """Whether room is still reserved for a message that has been read completely."""
        return bool(self._reserved and not self.framer.expected)

    def give_back(self) -> None:
        """Return the room of a large message to the budget."""
        if self._reserved:
            self._context.incoming.give_back(self._account_id, self._reserved)
            self._reserved = 0
