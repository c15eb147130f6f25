"""LMTP sessions on connections: moves octets between a connection and the protocol's core, and asks the deliverer."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from postroom.contracts.errors import MailError
from postroom.mda.config import MdaConfig
from postroom.mda.delivery import Deliverer
from postroom.runtime.connections import Connection
from postroom.wire.smtp.lmtp import AskRecipient, LmtpLimits, LmtpSession

_LARGE: Final = 1 << 20  # octets from which a message needs one of few places
LARGE_AT_ONCE: Final = 4  # in all workers, so that large messages fill the memory only so many times


class Sessions:
    """All LMTP sessions of this process."""

    def __init__(self, deliverer: Deliverer, config: Callable[[], MdaConfig], large_at_once: int) -> None:
        self._deliverer = deliverer
        self._config = config
        self._large = asyncio.Semaphore(large_at_once)
        self._open: dict[LmtpSession, Connection] = {}

    async def serve(self, connection: Connection) -> None:
        """One connection from greeting to close."""
        config = self._config()
        connection.timeout = config.command_timeout
        session = LmtpSession(
            config.host_name, LmtpLimits(config.max_message_bytes, config.max_recipients, config.max_errors)
        )
        self._open[session] = connection
        connection.write(session.output())
        try:
            while not session.closed:
                async with contextlib.AsyncExitStack() as place:
                    if not await self._transaction(session, connection, place):
                        return
        finally:
            del self._open[session]

    async def _transaction(
        self, session: LmtpSession, connection: Connection, place: contextlib.AsyncExitStack
    ) -> bool:
        """Read and answer until no message is being received any more; False when the peer has gone."""
        large = False
        while True:
            octets = await connection.read()
            if not octets:
                return False
            session.feed(octets)
            await self._answer(session)
            if output := session.output():
                connection.write(output)
                await connection.drain()
            if session.closed or not session.in_transaction:
                return True
            if session.received > _LARGE and not large:
                large = True
                await place.enter_async_context(self._large)

    async def _answer(self, session: LmtpSession) -> None:
        while (question := session.next_question()) is not None:
            if isinstance(question, AskRecipient):
                try:
                    session.accept(await self._deliverer.judge(question.recipient))
                except MailError as error:
                    session.refuse(error)
            else:
                session.delivered(await self._deliverer.deliver(question))

    def leave(self) -> None:
        """Tell the idle ones to go; the others go when their message is done with."""
        for session, connection in list(self._open.items()):
            session.leave()
            if session.closed:
                connection.write(session.output())
                connection.close()
