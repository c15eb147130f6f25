"""The loop of one POP3 session from greeting to end: a command goes to its handler, the reply goes out."""

import asyncio
from collections.abc import Mapping
from typing import Final

from postroom.contracts.errors import LoginError, MailError, MessageGone, MessageLost
from postroom.pop3 import access, listing, retrieving
from postroom.pop3.context import Pop3Context
from postroom.pop3.session import Handler, Pop3Session
from postroom.runtime.connections import Connection, PeerInjected
from postroom.runtime.service import where
from postroom.wire import sasl
from postroom.wire.lines import LineTooLong
from postroom.wire.pop3 import answers
from postroom.wire.pop3.commands import Command, PeerError

PIECE: Final = 65_536  # octets of a reply that are handed to the transport at a time
PIPELINED: Final = 64  # commands that are answered in a row before other sessions run
HANDLERS: Final[Mapping[str, Handler]] = {**access.HANDLERS, **listing.HANDLERS, **retrieving.HANDLERS}


class Conversation:
    """Serve one connection."""

    def __init__(self, connection: Connection, context: Pop3Context) -> None:
        self._session = Pop3Session(connection, context)
        self._connection = connection
        self._log = context.log
        self._host_name = context.config.host_name
        self._busy = False
        self._leaving = False

    async def serve(self) -> None:
        """Serve until QUIT or the end of the connection. Raises ConnectionError, TimeoutError, PeerInjected."""
        session = self._session
        self._connection.write(answers.ok(f"{self._host_name} POP3 ready"))
        try:
            while not session.over and (octets := await session.read()):
                session.parser.feed(octets)
                await self._answer_all()
        except LineTooLong:
            self._log.info(f"line too long: client={self._connection.peer}", client=self._connection.peer)
            self._connection.write(answers.err("line too long"))
        finally:
            if session.has_maildrop:
                await session.maildrop.close()

    def leave(self) -> None:
        """End soon: at once when no command is being answered. What QUIT has not confirmed stays."""
        self._leaving = True
        if not self._busy:
            self._connection.abort()  # an orderly close of TLS would wait for a peer that says nothing

    async def _answer_all(self) -> None:
        session, answered = self._session, 0
        self._busy = True
        try:
            while not session.over:
                try:
                    command = session.parser.next_command()
                    if command is None:
                        break
                    answer = await self._answer(command)
                except PeerError as error:
                    answer = session.refuse(str(error))
                await self._send(answer)
                answered += 1
                if answered % PIPELINED == 0:
                    await asyncio.sleep(0)
        finally:
            self._busy = False
        if self._leaving:
            session.over = True

    async def _answer(self, command: Command) -> bytes:
        session = self._session
        try:
            return await HANDLERS[command.verb](session, command.arguments)
        except sasl.SaslError as error:
            return session.refuse(str(error))
        except MailError as error:
            return self._refusal(command.verb, error)
        except (PeerError, PeerInjected, LineTooLong, OSError):
            raise
        except Exception as error:
            text = f"internal error: {command.verb} {session.who} {where(error)}"
            self._log.error(text, client=self._connection.peer)
            if session.reply_begun:
                raise ConnectionAbortedError("reply cannot be finished") from error
            return answers.FAULT
        finally:
            session.reply_begun = False

    def _refusal(self, verb: str, error: MailError) -> bytes:
        session = self._session
        if isinstance(error, MessageLost):
            session.log_lost(error)
        elif not isinstance(error, MessageGone | LoginError):
            self._log.warning(f"{verb} failed: {session.who} {error}", client=self._connection.peer)
        if isinstance(error, LoginError) or not (error.temporary or isinstance(error, MessageLost)):
            session.refuse("")  # counts
        return answers.refusal(error)

    async def _send(self, octets: bytes) -> None:
        if len(octets) <= PIECE:
            self._connection.write(octets)
        else:
            for start in range(0, len(octets), PIECE):
                self._connection.write(octets[start : start + PIECE])
                await self._connection.drain()
        await self._connection.drain()
