"""One POP3 session from greeting to end."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from postroom.contracts.errors import LoginError, MailError, MessageGone, MessageLost
from postroom.entrance.exchange import exchange, password_message
from postroom.pop3.config import Pop3Config
from postroom.pop3.login import MaildropEntrance
from postroom.pop3.maildrop import Maildrop
from postroom.runtime.connections import Connection, PeerInjected
from postroom.runtime.log import Log
from postroom.runtime.service import where
from postroom.wire import sasl
from postroom.wire.lines import LineTooLong
from postroom.wire.pop3 import answers
from postroom.wire.pop3.session import Command, PeerError, Session, State, number

HEAD = 16_384  # octets in which most header blocks end
PIECE = 65_536  # octets of a message that are handed to the transport at a time
LARGE = 1 << 20  # octets of a message that is never held as a whole
LARGE_PIECE = 1 << 18
TURN = 64  # pipelined commands that are answered before others get their turn


@dataclass(frozen=True)
class Surroundings:
    """What all sessions of the agent share."""

    entrance: MaildropEntrance
    config: Pop3Config
    log: Log
    tls: Callable[[], ssl.SSLContext]
    steady: Callable[[], float]


class Conversation:
    """Moves octets between one connection and one maildrop."""

    def __init__(self, connection: Connection, around: Surroundings) -> None:
        self._connection = connection
        self._entrance = around.entrance
        self._config = around.config
        self._log = around.log
        self._tls = around.tls
        self._steady = around.steady
        self._login_until = around.steady() + around.config.login_timeout
        self._session = Session(connection.secured)
        self._name = b""
        self._account = ""
        self._maildrop: Maildrop | None = None
        self._errors = 0
        self._over = False
        self._busy = False
        self._leaving = False
        self._midway = False  # octets of a reply have gone out whose end is not made yet
        self._verbs: Mapping[str, Callable[[tuple[bytes, ...]], Awaitable[bytes]]] = {
            "USER": self._user, "PASS": self._pass, "AUTH": self._auth, "STLS": self._stls, "CAPA": self._capa,
            "QUIT": self._quit, "STAT": self._stat, "LIST": self._list, "RETR": self._retr, "DELE": self._dele,
            "NOOP": self._noop, "RSET": self._rset, "TOP": self._top, "UIDL": self._uidl,
        }  # fmt: skip

    async def serve(self) -> None:
        """Until QUIT, silence or the end of the connection. Raises ConnectionError, TimeoutError, PeerInjected."""
        self._connection.write(answers.ok(f"{self._config.host_name} POP3 ready"))
        try:
            while not self._over and (octets := await self._read()):
                self._session.feed(octets)
                await self._answer_all()
        except LineTooLong:
            self._log.info(f"line too long: client={self._connection.peer}", client=self._connection.peer)
            self._connection.write(answers.err("line too long"))
        finally:
            if self._maildrop is not None:
                await self._maildrop.close()

    def leave(self) -> None:
        """End soon: at once when nothing is under way. What was not confirmed by QUIT stays."""
        self._leaving = True
        if not self._busy:
            self._connection.abort()  # an orderly close of TLS would wait for a peer that says nothing

    async def _read(self) -> bytes:
        """Whoever has not logged in has one span of time for all of it; later each silence is measured."""
        if self._maildrop is None:
            self._connection.timeout = max(self._login_until - self._steady(), 0.0)
        else:
            self._connection.timeout = self._config.idle_timeout
        return await self._connection.read()

    async def _answer_all(self) -> None:
        self._busy = True
        answered = 0
        try:
            while not self._over:
                try:
                    command = self._session.next_command()
                    if command is None:
                        break
                    answer = await self._answer(command)
                except PeerError as error:
                    answer = self._fault(str(error))
                await self._send(answer)
                answered += 1
                if answered % TURN == 0:
                    await asyncio.sleep(0)
        finally:
            self._busy = False
        if self._leaving:
            self._over = True

    async def _answer(self, command: Command) -> bytes:
        try:
            return await self._verbs[command.verb](command.arguments)
        except sasl.SaslError as error:
            return self._fault(str(error))
        except MailError as error:
            if isinstance(error, MessageLost):
                self._note_lost(error)
            elif not isinstance(error, MessageGone | LoginError):
                self._log.warning(
                    f"{command.verb} failed: {self._who()} {error}", client=self._connection.peer
                )
            if isinstance(error, LoginError) or not (error.temporary or isinstance(error, MessageLost)):
                self._fault("")
            return answers.refusal(error)
        except (PeerError, PeerInjected, LineTooLong, OSError):
            raise
        except Exception as error:
            self._log.error(
                f"internal error: {command.verb} {self._who()} {where(error)}", client=self._connection.peer
            )
            if self._midway:
                raise ConnectionAbortedError("reply cannot be finished") from error
            return answers.FAULT
        finally:
            self._midway = False

    async def _send(self, octets: bytes) -> None:
        if len(octets) <= PIECE:
            self._connection.write(octets)
        else:
            for start in range(0, len(octets), PIECE):
                self._connection.write(octets[start : start + PIECE])
                await self._connection.drain()
        await self._connection.drain()

    def _note_lost(self, lost: MessageLost) -> None:
        client = self._connection.peer
        self._log.error(
            f"message lost: account={self._account} {lost} client={client}",
            client=client,
            ACCOUNT=self._account,
        )

    def _fault(self, text: str) -> bytes:
        self._errors += 1
        if self._errors >= self._config.max_errors:
            self._over = True
        return answers.err(text)

    def _who(self) -> str:
        return f"client={self._connection.peer}" + (f" account={self._account}" if self._account else "")

    # before login

    async def _user(self, arguments: tuple[bytes, ...]) -> bytes:
        self._needs_tls()
        self._name = arguments[0]
        return answers.ok("send PASS")

    async def _pass(self, arguments: tuple[bytes, ...]) -> bytes:
        self._needs_tls()
        if not self._name:
            raise PeerError("send USER first")
        name, self._name = self._name, b""
        return await self._log_in(password_message(name, arguments[0]))

    async def _auth(self, arguments: tuple[bytes, ...]) -> bytes:
        self._needs_tls()
        if not arguments:  # some clients ask for the list in this way
            return answers.listing("", sasl.MECHANISMS)
        initial = arguments[1] if len(arguments) == 2 else None
        finished = await exchange(arguments[0].decode("ascii", "replace"), initial, self._ask)
        return await self._log_in(finished.response)

    async def _ask(self, challenge: bytes) -> bytes:
        self._connection.write(answers.challenge(challenge))
        while (line := self._session.next_response()) is None:
            octets = await self._read()
            if not octets:
                raise ConnectionResetError("peer left in the middle of AUTH")
            self._session.feed(octets)
        return line

    def _needs_tls(self) -> None:
        if not self._session.secured:
            raise PeerError("start TLS first")

    async def _log_in(self, response: bytes) -> bytes:
        peer = self._connection.peer
        self._account = ""
        _, account = await self._entrance.admit(response, peer, secured=True, session=f"{id(self):x}")
        self._account = account.id  # failures from here on are told with it
        self._maildrop = await self._entrance.open(account)
        self._session.logged_in()
        self._connection.trust()
        self._connection.timeout = self._config.idle_timeout
        tls = self._connection.tls_version
        self._log.info(f"login: {self._who()} tls={tls}", client=peer, ACCOUNT=self._account)
        count, size = self._maildrop.count_and_size()
        return answers.ok(f"maildrop has {count} messages ({size} octets)")

    async def _stls(self, _: tuple[bytes, ...]) -> bytes:
        if self._session.secured:
            raise PeerError("TLS is active already")
        if self._session.pipelined:
            raise PeerInjected
        self._connection.write(answers.ok("begin TLS"))
        await self._connection.start_tls(self._tls())
        self._session.tls_started()
        self._name = b""
        return b""

    async def _capa(self, _: tuple[bytes, ...]) -> bytes:
        logged_in = self._session.state is State.TRANSACTION
        return answers.listing("capabilities", answers.capabilities(self._session.secured, logged_in, True))

    # after login

    @property
    def _open(self) -> Maildrop:
        assert self._maildrop is not None  # the state table lets no such command through before
        return self._maildrop

    async def _quit(self, _: tuple[bytes, ...]) -> bytes:
        self._over = True
        if self._maildrop is None:
            return answers.ok("bye")
        try:
            await self._maildrop.update()
        except MailError as error:
            self._log.warning(f"QUIT failed: {self._who()} {error}", client=self._connection.peer)
            return answers.err("[SYS/TEMP] some deleted messages were not removed")
        return answers.ok("bye")

    async def _stat(self, _: tuple[bytes, ...]) -> bytes:
        count, size = self._open.count_and_size()
        return answers.ok(f"{count} {size}")

    async def _list(self, arguments: tuple[bytes, ...]) -> bytes:
        if arguments:
            return answers.ok(self._open.size(number(arguments[0])))
        count, size = self._open.count_and_size()
        return answers.listing(f"{count} messages ({size} octets)", self._open.sizes())

    async def _uidl(self, arguments: tuple[bytes, ...]) -> bytes:
        if arguments:
            return answers.ok(self._open.identity(number(arguments[0])))
        return answers.listing("", self._open.identities())

    async def _retr(self, arguments: tuple[bytes, ...]) -> bytes:
        place = number(arguments[0])
        if self._open.octets(place) > LARGE:
            return await self._retr_large(place)
        content = await self._open.content(place)
        self._open.note_read(place)
        return answers.ok(f"{len(content)} octets") + answers.message(content)

    async def _retr_large(self, place: int) -> bytes:
        """Piece by piece, as the client takes them. Raises ConnectionAbortedError: the rest cannot be had."""
        size, body = self._open.octets(place), answers.Body()
        if not await self._open.piece(place, size - 1, size):
            raise MessageLost(f"mailbox='INBOX' message={place} is shorter than it was")
        head = answers.ok(f"{size} octets")
        for start in range(0, size, LARGE_PIECE):
            end = min(start + LARGE_PIECE, size)
            read = self._open.piece if head else self._piece
            octets = await read(place, start, end)
            if len(octets) != end - start:
                raise ConnectionAbortedError("message file is shorter than it was")
            self._connection.write(head + body.piece(octets))
            self._midway, head = True, b""
            await self._connection.drain()
        self._open.note_read(place)
        return body.end()

    async def _top(self, arguments: tuple[bytes, ...]) -> bytes:
        """No more is read than is shown, and no more held than a piece. Raises as `_retr_large` does."""
        place, lines = map(number, arguments)
        top, body = answers.Top(lines), answers.Body()
        octets = await self._open.head(place, HEAD)
        read, size = len(octets), self._open.octets(place)
        reply = answers.ok() + body.piece(top.piece(octets))
        while not top.done and read < size:
            self._connection.write(reply)
            self._midway = True
            await self._connection.drain()
            octets = await self._piece(place, read, min(read + LARGE_PIECE, size))
            if not octets:
                break
            read += len(octets)
            reply = body.piece(top.piece(octets))
        return reply + body.piece(top.end()) + body.end()

    async def _piece(self, place: int, start: int, end: int) -> bytes:
        """In the middle of a reply, which can only be broken off. Raises ConnectionAbortedError."""
        try:
            return await self._open.piece(place, start, end)
        except MailError as error:
            if isinstance(error, MessageLost):
                self._note_lost(error)
            raise ConnectionAbortedError("message cannot be read to its end") from error

    async def _dele(self, arguments: tuple[bytes, ...]) -> bytes:
        self._open.delete(number(arguments[0]))
        return answers.ok("marked for deletion")

    async def _rset(self, _: tuple[bytes, ...]) -> bytes:
        self._open.undelete_all()
        return answers.ok()

    async def _noop(self, _: tuple[bytes, ...]) -> bytes:
        return answers.ok()
