"""One connection from greeting to BYE: octets in, commands to their handlers, responses out.

Room rule: this file knows states, limits and the moments when news may be told (RFC 3501 section 7.4.1); what a
command does is its handler's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from postroom.contracts.account import MailAccount
from postroom.contracts.directory import Account
from postroom.contracts.errors import MailError, NoSuchMailbox, Unavailable
from postroom.imap.refusals import FAULT, Reply, bad, reply_to
from postroom.imap.surroundings import Surroundings
from postroom.imap.telling import Teller
from postroom.imap.turns import Turn
from postroom.imap.view import View
from postroom.runtime.connections import Connection, PeerInjected
from postroom.wire.imap import commands, responses
from postroom.wire.imap.capability import capabilities
from postroom.wire.imap.framing import Frame, Framer, Refused, WantsLiteral
from postroom.wire.imap.parser import Malformed, State, parse
from postroom.wire.imap.sequence import NoSuchMessage

# None: the handler has answered by itself.
Handler = Callable[["Session", commands.Tagged], Awaitable[Reply | None]]
# Commands that name messages by number: none may vanish from the numbering before the reply.
_BY_NUMBER: Final = (commands.Fetch, commands.Store, commands.Search)
_ALWAYS_LOOK: Final = (commands.Noop, commands.Check, commands.Idle, commands.Expunge)
_NEVER_LOOK: Final = (commands.Logout, commands.Select, commands.Close, commands.Unselect)
PIPELINED: Final = 8  # commands of one client in a row before others have their turn
IN_COMMAND: Final = 300.0  # seconds of silence in the middle of a command
LARGE: Final = 131_072  # octets of a literal that needs room in the budget of all sessions
STANDING: Final = 30.0  # seconds after which a session asks again whether its account is still enabled
ROOM_SECONDS: Final = 60.0  # for which a large message may have to wait
SLOWEST: Final = 16_384  # octets a second, at which a large message has to come
_SHUTTING: Final = b"Server shuts down, come back in a moment"


class Bye(Exception):
    """The session ends with these words to the client."""


class Session:
    """State of one connection."""

    __slots__ = (
        "__weakref__",
        "_busy",
        "_deadline",
        "_dirty",
        "_errors",
        "_over",
        "_reserved",
        "_reserved_until",
        "_shutting",
        "_standing_until",
        "_task",
        "account",
        "account_id",
        "condstore",
        "connection",
        "framer",
        "handlers",
        "on_news",
        "quota_bytes",
        "state",
        "surroundings",
        "teller",
        "turn",
        "view",
    )

    def __init__(
        self,
        connection: Connection,
        surroundings: Surroundings,
        handlers: Mapping[type[commands.Command], Handler],
    ) -> None:
        self.connection = connection
        self.surroundings = surroundings
        self.handlers = handlers
        self.framer = Framer(surroundings.limits_before_login())
        self.turn = Turn(surroundings.clock)
        self.teller = Teller(surroundings.log, connection.peer)
        self.state = State.NOT_AUTHENTICATED
        self.account: MailAccount | None = None
        self.account_id = ""
        self.view: View | None = None
        self.condstore = False
        self.on_news: Callable[[], None] | None = None
        self._dirty = self._busy = self._over = self._shutting = False
        self._task: asyncio.Task[None] | None = None
        self._errors = 0
        self._reserved = 0  # octets of the budget
        self._reserved_until = self._standing_until = 0.0
        self.quota_bytes = 0
        self._deadline = surroundings.clock.steady() + surroundings.config.login_timeout

    # the loop

    async def run(self) -> None:
        """Serve until the client leaves, is sent away, or the connection breaks."""
        self._task = asyncio.current_task()
        self.write(responses.status(b"*", b"OK", b"Postroom ready", b"CAPABILITY " + self.capabilities()))
        try:
            await self._serve()
            if self._shutting:  # after the command that was at hand
                self.bye(_SHUTTING)
        except Bye as bye:
            self.bye(str(bye).encode())
        except asyncio.CancelledError:
            if not self._shutting:
                raise
        except TimeoutError:
            self.bye(b"Autologout, idle for too long")
        finally:
            self._give_back()
            self.leave_account()

    async def _serve(self) -> None:
        turns = 0
        while not self._over:
            event = self.framer.next_event()
            if self.framer.expected >= LARGE and not self._reserved:
                await self._reserve(self.framer.expected)
            if event is None:
                octets = await self.read()
                if not octets:
                    return
                self.framer.feed(octets)
                continue
            self._busy = True
            await self._take(event)
            self._busy = False
            if self._reserved and not self.framer.expected:
                event = None  # holds the message
                self._give_back()
            await self.connection.drain()
            turns += 1
            if turns % PIPELINED == 0:
                await self.turn.give()

    async def _reserve(self, octets: int) -> None:
        """Room for a large message before it is read. Raises Bye when there is none for too long."""
        try:
            async with asyncio.timeout(ROOM_SECONDS):
                await self.surroundings.incoming.take(self.account_id, octets)
        except TimeoutError:
            raise Bye("Too many large messages at a time, try again later") from None
        self._reserved = octets
        self._reserved_until = self.surroundings.clock.steady() + ROOM_SECONDS + octets / SLOWEST

    def _give_back(self) -> None:
        if self._reserved:
            self.surroundings.incoming.give_back(self.account_id, self._reserved)
            self._reserved = 0

    async def read(self) -> bytes:
        """The next octets; before login all reading together has `login_timeout` seconds. Raises TimeoutError."""
        if self.state is State.NOT_AUTHENTICATED:
            self.connection.timeout = max(self._deadline - self.surroundings.clock.steady(), 0.01)
        elif self._reserved:
            left = self._reserved_until - self.surroundings.clock.steady()
            self.connection.timeout = max(min(IN_COMMAND, left), 0.01)
        elif self.framer.pending:
            self.connection.timeout = min(IN_COMMAND, self.surroundings.config.idle_timeout)
        else:
            self.connection.timeout = self.surroundings.config.idle_timeout
        return await self.connection.read()

    async def read_line(self, limit: int) -> bytes:
        """One line on its own, for SASL and DONE. Raises Bye for a line that cannot be, ConnectionError at the end."""
        while True:
            line = self.framer.next_line(limit)
            if isinstance(line, Refused):
                raise Bye("Line is malformed or too long")
            if line is not None:
                return line
            octets = await self.read()
            if not octets:
                raise ConnectionResetError("peer is gone")
            self.framer.feed(octets)

    async def _take(self, event: Frame | WantsLiteral | Refused) -> None:
        if isinstance(event, WantsLiteral):
            self.write(responses.continuation(b"OK"))
        elif isinstance(event, Frame):
            await self._command(event)
        elif event.fatal:
            self.write(responses.status(event.tag, b"BAD", event.text, b"TOOBIG"))
            raise Bye("Out of step with what was sent")
        else:
            condition, code = (b"NO", b"TOOBIG") if event.too_big else (b"BAD", b"")
            self._answer(event.tag, Reply(condition, event.text, code))
            self._count_error()

    async def _command(self, frame: Frame) -> None:
        try:
            tagged = parse(frame, self.state)
        except Malformed as mistake:
            self.write(responses.status(mistake.tag, mistake.condition, mistake.text, mistake.code))
            if mistake.condition == b"BAD":
                self._count_error()
            return
        await self.check_standing()
        self.turn.begin()
        command = tagged.command
        reply: Reply | None
        try:
            reply = await self.handlers[type(command)](self, tagged)
        except (Bye, PeerInjected, OSError):
            raise
        except MailError as error:
            if isinstance(error, Unavailable):
                self.teller.failure(tagged.verb, error)
            reply = reply_to(error)
        except NoSuchMessage:
            reply = bad(b"No message has this number")
        except Exception as error:  # of ours; handlers let none through that leaves a response half written
            self.teller.fault(tagged.verb.decode(), error)
            reply = FAULT
        if reply is None:
            return
        if reply.condition == b"OK":
            self._errors = 0
        await self._tell_news(tagged)
        self._answer(tagged.tag, reply, tagged.verb)
        if reply.condition == b"BAD" or (reply.condition == b"NO" and self.account is None):
            self._count_error()

    def _answer(self, tag: bytes, reply: Reply, verb: bytes = b"") -> None:
        self.write(responses.status(tag, reply.condition, reply.text or verb + b" completed", reply.code))

    def _count_error(self) -> None:
        self._errors += 1
        if self._errors >= self.surroundings.config.max_errors:
            raise Bye("Too many errors")

    # news

    async def _tell_news(self, tagged: commands.Tagged) -> None:
        command = tagged.command
        if self.view is None or isinstance(command, _NEVER_LOOK):
            return
        if self._dirty or isinstance(command, _ALWAYS_LOOK):
            by_uid = tagged.verb.startswith(b"UID ")
            by_number = isinstance(command, _BY_NUMBER) and not by_uid
            await self.look(expunges=not by_number, uids=by_uid)

    async def look(self, *, expunges: bool, uids: bool = False) -> None:
        """Write what has happened in the selected mailbox, with UIDs where the command at hand is a UID command.

        Raises Bye when the mailbox is no more.
        """
        view, account = self.view, self.account
        if view is None or account is None:
            return
        self._dirty = False
        self.turn.begin()
        try:
            changes = await account.changes(view.id, view.modseq, view.writable)
        except NoSuchMailbox:
            raise Bye("Mailbox was deleted") from None
        except Exception as error:  # told at the next moment that allows it
            self._dirty = True
            if not isinstance(error, MailError):
                self.teller.fault("news", error)
            return
        for piece in view.apply(
            changes, expunges=expunges, modseqs=self.condstore, uids=uids or self.condstore
        ):
            self.write(piece)
            if self.turn.over:
                await self.flush()
        self._dirty = self._dirty or bool(view.gone)

    async def look_before_silence(self, *, uids: bool) -> None:
        """Tell others' changes before a command whose own changes stay untold."""
        if self._dirty:
            await self.look(expunges=False, uids=uids)

    def note_news(self) -> None:
        """Something changed in the account: look at the next moment that allows it."""
        self._dirty = True
        if self.on_news is not None:
            self.on_news()

    # what handlers use

    def capabilities(self) -> bytes:
        """CAPABILITY as it is now."""
        return capabilities(
            secured=self.connection.secured,
            logged_in=self.account is not None,
            may_start_tls=self.surroundings.tls is not None,
        )

    def write(self, octets: bytes) -> None:
        """Send."""
        if octets:
            self.connection.write(octets)

    async def flush(self) -> None:
        """Wait while the client reads slower than we write, and let other sessions have their turn."""
        await self.connection.drain()
        await self.turn.give()

    @property
    def opened(self) -> MailAccount:
        """The account; handlers are called only in states in which there is one."""
        assert self.account is not None
        return self.account

    @property
    def selected(self) -> View:
        """The selected mailbox; handlers are called only in states in which there is one."""
        assert self.view is not None
        return self.view

    async def check_standing(self) -> None:
        """From time to time: Raises Bye when the account was disabled since; takes over another quota."""
        now = self.surroundings.clock.steady()
        if self.account is None or now < self._standing_until:
            return
        self._standing_until = now + STANDING
        try:
            known = await self.surroundings.directory.account(self.account_id)
            if known is not None and known.enabled and known.quota_bytes != self.quota_bytes:
                self.account = await self.surroundings.store.account(known.id, known.quota_bytes)
                self.quota_bytes = known.quota_bytes
        except Unavailable:  # whoever is in stays in
            return
        if known is None or not known.enabled:
            raise Bye("Account is disabled")

    def enter_account(self, account: MailAccount, known: Account) -> None:
        """Somebody has logged in."""
        self.account = account
        self.account_id = self.teller.account = known.id
        self.quota_bytes = known.quota_bytes
        self._standing_until = self.surroundings.clock.steady() + STANDING
        self.state = State.AUTHENTICATED
        self.framer.limits = self.surroundings.limits_after_login()
        self.surroundings.logins.enter(known.id)

    def leave_account(self) -> None:
        """The session is over."""
        self.leave_mailbox()
        if self.account is not None:
            self.account = None
            self.surroundings.logins.leave(self.account_id)
        self.state = State.LOGOUT

    def enter_mailbox(self, view: View) -> None:
        """A mailbox is selected."""
        self.view = view
        self.state = State.SELECTED
        self._dirty = False
        self.surroundings.board.subscribe(self.account_id, self.note_news)

    def leave_mailbox(self) -> None:
        """No mailbox is selected any more."""
        if self.view is not None:
            self.view = None
            self.state = State.AUTHENTICATED
            self.surroundings.board.unsubscribe(self.account_id, self.note_news)

    def enable_condstore(self) -> None:
        """A CONDSTORE enabling command came (RFC 7162 section 3.1)."""
        if not self.condstore:
            self.condstore = True
            if self.view is not None:
                code = b"HIGHESTMODSEQ %d" % max(self.view.modseq, 1)
                self.write(responses.status(b"*", b"OK", b"Highest", code))

    def end(self) -> None:
        """End after the reply to the command at hand."""
        self._over = True

    def bye(self, text: bytes) -> None:
        """Send the client away now."""
        self.write(responses.status(b"*", b"BYE", text))
        self._over = True
        self.connection.close()

    def shut_down(self) -> None:
        """The agent ends: at once when the session waits for a command, else after the one at hand."""
        self._over = self._shutting = True
        if self._task is not None and (not self._busy or self.on_news is not None):
            self.bye(_SHUTTING)
            # A peer that does not close its end of TLS must not keep the agent from ending.
            self._task.cancel()
