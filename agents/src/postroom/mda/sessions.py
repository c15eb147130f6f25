"""LMTP sessions: move octets between a connection and the protocol's core, and pass its questions to the deliverer."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from postroom.contracts.errors import MailError
from postroom.mda.config import MdaConfig
from postroom.mda.delivery import Deliverer
from postroom.runtime.connections import Connection
from postroom.wire.smtp.lmtp import AskRecipient, LmtpLimits, LmtpSession

_LARGE: Final = 1 << 20  # octets; a larger message needs one of LARGE_AT_ONCE slots
LARGE_AT_ONCE: Final = 4  # over all workers; bounds the memory that large messages take


class Sessions:
    """All LMTP sessions of this process."""

    def __init__(self, deliverer: Deliverer, config: Callable[[], MdaConfig], large_at_once: int) -> None:
        self._deliverer = deliverer
        self._config = config
        self._large = asyncio.Semaphore(large_at_once)
        self._open: dict[LmtpSession, Connection] = {}

    async def serve(self, connection: Connection) -> None:
        """Serve one connection from greeting to close."""
        config = self._config()
        connection.timeout = config.command_timeout
        session = LmtpSession(
            config.host_name, LmtpLimits(config.max_message_bytes, config.max_recipients, config.max_errors)
        )
        self._open[session] = connection
        connection.write(session.output())
        try:
            while not session.closed:
                async with contextlib.AsyncExitStack() as slot:
                    if not await self._transaction(session, connection, slot):
                        return
        finally:
            del self._open[session]

    async def _transaction(
        self, session: LmtpSession, connection: Connection, slot: contextlib.AsyncExitStack
    ) -> bool:
        """Read and answer until no message is being received; return False if the peer has disconnected."""
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
                await slot.enter_async_context(self._large)

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
        """Close idle sessions; the others close when their message is finished."""
        for session, connection in list(self._open.items()):
            session.leave()
            if session.closed:
                connection.write(session.output())
                connection.close()
