"""One SMTP conversation: the verbs. RFC 5321 section 4.1, RFC 3207, RFC 4954, RFC 1870, RFC 2920, RFC 2034.

Verbs are aiosmtpd's `smtp_*` methods. They translate: line to value, value to the transaction and the Reception,
refusal to reply. Anything unexpected becomes one log line and a 421.
"""

import asyncio
import pwd
import socket
import ssl
import struct
from typing import Any, Final, cast

from postroom.contracts.errors import MailError, Unavailable
from postroom.runtime.connections import LINGER
from postroom.runtime.transports import begin_tls
from postroom.smtpd import sayings as say
from postroom.smtpd.reception import Client
from postroom.smtpd.stream import OUTPUT_WATER, ConnectionEnd, Receiving, Stream
from postroom.smtpd.surroundings import HANDSHAKE_SECONDS, Surroundings
from postroom.smtpd.transaction import Transaction
from postroom.wire import sasl
from postroom.wire.smtp import commands
from postroom.wire.smtp.answers import answer
from postroom.wire.smtp.commands import CommandError
from postroom.wire.smtp.data import DataScanner, Flaw
from postroom.wire.smtp.replies import Reply

MAX_AUTH_LINE: Final = 12288  # RFC 4954 section 4
TURN: Final = 64  # commands
PEER_CREDENTIALS: Final = struct.Struct("iII")  # pid, uid, gid: unix(7)
_LONG_VERBS: Final = frozenset({b"MAIL", b"RCPT", b"AUTH"})


class SmtpSession(Stream):
    """The server's side of one connection."""

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings.loop)
        self.surroundings = surroundings
        self.client = Client("")
        self.task: asyncio.Task[None] | None = None
        self._transaction = Transaction(surroundings.limits.message_octets, surroundings.limits.recipients)
        self._commands = 0
        self._errors = 0
        self._cut_off: asyncio.TimerHandle | None = None

    def _is_plain(self) -> bool:
        return not self.client.secured

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here, or is refused because there are too many."""
        if self.transport is not None:  # after a TLS handshake: the conversation goes on
            self.transport = transport
            self._note_tls()
            return
        self.transport = transport
        self.client.address = self.surroundings.name_of(transport)
        if self.surroundings.manner.local:
            self.client.uid, self.client.user = user_of(transport)
        if refusal := self.surroundings.admit(self):
            self._gone_soon(refusal)
            return
        self._note_tls()
        self.task = self.loop.create_task(self._handle_client())

    def _gone_soon(self, reply: Reply) -> None:
        self.transport.write(reply.octets)
        self.transport.close()

    async def _handle_client(self) -> None:
        try:
            self.say(self.surroundings.greeting)
            await self._converse()
        except ConnectionEnd as end:
            if end.reply:
                self.say(end.reply)
            self.flush()
        except asyncio.CancelledError:
            self.transport.abort()
        except Exception as error:
            self.surroundings.failed(self.client, error)
            self.say(say.INTERNAL.octets)
            self.flush()
        finally:
            self.surroundings.left(self)
            self._close()

    def _close(self) -> None:
        """Close after the last words have gone out; a peer that does not take them is cut off in the end."""
        if not self._gone and self.transport.get_write_buffer_size():
            self._cut_off = self.loop.call_later(LINGER, self.transport.abort)
        self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """The end."""
        super().connection_lost(error)
        if self._cut_off is not None:
            self._cut_off.cancel()

    async def _converse(self) -> None:
        limits = self.surroundings.limits
        while True:
            if self.surroundings.draining and self._transaction.mail is None:
                raise ConnectionEnd(say.CLOSING.octets)
            line = await self.line(commands.MAX_MAIL_OR_RCPT)
            self._commands += 1
            if self._commands - len(self._transaction.accepted) > limits.commands:
                raise self._sent_away(say.TOO_MANY_COMMANDS)
            reply = await self._answer(line)
            self.say(reply.octets)
            if reply.permanent:
                self._errors += 1
                if self._errors >= limits.errors:
                    raise self._sent_away(say.TOO_MANY_ERRORS)
            if self._pending > OUTPUT_WATER:
                self.flush()
                await self.drained()
            if self._commands % TURN == 0:
                await asyncio.sleep(0)  # a long pipeline must not keep the others waiting

    def _sent_away(self, reply: Reply) -> ConnectionEnd:
        self.surroundings.sent_away(self.client, reply)
        return ConnectionEnd(reply.octets)

    async def _answer(self, line: bytes | None) -> Reply:
        if line is None:
            return self._too_long()
        if line[-2:] != b"\r\n" or b"\r" in line[:-2]:
            raise self._sent_away(say.BARE_LINE_END)
        if len(line) > commands.MAX_COMMAND and line[:4].upper() not in _LONG_VERBS:
            return say.LINE_TOO_LONG
        try:
            verb, argument = commands.parse_command(line[:-2])
            method = VERBS.get(verb)
            if method is None:
                return commands.BAD_LINE
            return cast(Reply, await method(self, argument))
        except CommandError as error:
            return error.reply
        except MailError as error:
            reply = answer(error)
            self.surroundings.refused(self.client, self._transaction, line, reply, error)
            return reply

    def _too_long(self) -> Reply:
        """An AUTH with a long response is told first that its mechanism is not offered."""
        verb, mechanism, *_ = (*self.overlong.split(b" ", 2), b"", b"")
        may_log_in = self.surroundings.manner.login and self.client.secured
        if may_log_in and verb.upper() == b"AUTH" and not sasl.offered(mechanism.decode("latin-1")):
            return say.UNKNOWN_MECHANISM
        return say.LINE_TOO_LONG

    # greeting

    async def smtp_HELO(self, argument: str) -> Reply:
        self.client.helo = commands.parse_helo(argument)
        self.client.extended = False
        self._transaction.reset()
        return self.surroundings.helo_reply

    async def smtp_EHLO(self, argument: str) -> Reply:
        self.client.helo = commands.parse_helo(argument)
        self.client.extended = True
        self._transaction.reset()
        return self.surroundings.ehlo_reply(self.client.secured)

    async def smtp_STARTTLS(self, argument: str) -> Reply:
        if argument:
            return commands.SYNTAX
        if not self.surroundings.manner.starttls or self.client.secured:
            return say.NO_STARTTLS
        if self._unread:
            # RFC 3207 section 6: what came in plain text behind STARTTLS may be an attacker's
            self.surroundings.injected(self.client)
            raise ConnectionEnd(say.INJECTED.octets)
        self.say(say.START_TLS.octets)
        self.flush()
        await self._start_tls()
        # RFC 3207 section 4.2: nothing said before TLS counts
        self.client.helo, self.client.extended, self.client.login = "", False, None
        self._transaction.reset()
        self._commands = 0
        return say.NOTHING

    async def _start_tls(self) -> None:
        try:
            await begin_tls(self.transport, self, self.surroundings.tls_context(), HANDSHAKE_SECONDS)
        except (OSError, TimeoutError) as error:
            self.surroundings.handshake_failed(self.client, error)
            raise ConnectionEnd from error
        if self._gone:
            raise ConnectionEnd

    def _note_tls(self) -> None:
        found = cast("ssl.SSLObject | None", self.transport.get_extra_info("ssl_object"))
        if found is not None:
            self.client.tls_version = found.version() or "TLS"
            self.client.cipher = (found.cipher() or ("",))[0]

    # authentication

    async def smtp_AUTH(self, argument: str) -> Reply:
        manner = self.surroundings.manner
        if not manner.login:
            return say.NO_AUTH
        if not self.client.secured:
            return say.NEED_TLS_FOR_AUTH
        if not self.client.helo or self.client.login or self._transaction.mail is not None:
            return say.BAD_SEQUENCE
        if not argument:
            return commands.SYNTAX
        mechanism, _, initial = argument.partition(" ")
        try:
            finished = await self._sasl(mechanism, initial.strip().encode("ascii") or None)
        except sasl.UnknownMechanism:
            return say.UNKNOWN_MECHANISM
        except sasl.SaslError as error:
            return Reply(501, "5.5.2", str(error))
        try:
            self.client.login = await self.surroundings.reception.authenticate(
                self.client, finished.mechanism, finished.response
            )
        except (
            Unavailable
        ) as error:  # 451 is no reply to AUTH: clients would not know that it is about the login
            self.surroundings.refused(self.client, self._transaction, b"AUTH", say.AUTH_UNAVAILABLE, error)
            return say.AUTH_UNAVAILABLE
        return say.AUTHENTICATED

    async def _sasl(self, mechanism: str, initial: bytes | None) -> sasl.Finished:
        step = sasl.begin_encoded(mechanism, initial)
        while isinstance(step, sasl.Asking):
            self.say(b"334 " + sasl.encode_line(step.challenge) + b"\r\n")
            line = await self.line(MAX_AUTH_LINE)
            if line is None or line[-2:] != b"\r\n":
                raise sasl.SaslError("response too long or malformed")
            step = step.answered(sasl.decode_line(line[:-2]))
        return step

    # transaction

    async def smtp_MAIL(self, argument: str) -> Reply:
        if not self.client.helo:
            return say.NEED_HELO
        if self.surroundings.manner.login and not self.client.login:
            return say.NEED_AUTH if self.client.secured else say.NEED_TLS
        mail = commands.parse_mail(argument, self.surroundings.mail_parameters(self.client))
        if refusal := self._transaction.may_begin(mail):
            return refusal
        await self.surroundings.reception.sender(self.client, mail)
        self._transaction.begin(mail)
        return say.SENDER_OK

    async def smtp_RCPT(self, argument: str) -> Reply:
        transaction = self._transaction
        if refusal := transaction.may_add():
            return refusal
        recipient = commands.parse_rcpt(argument, frozenset())
        try:
            queued = await self.surroundings.reception.recipient(self.client, transaction, recipient)
        except MailError:
            transaction.refused += 1
            raise
        transaction.add(recipient, queued)
        return say.RECIPIENT_OK

    async def smtp_DATA(self, argument: str) -> Reply:
        transaction = self._transaction
        if refusal := transaction.may_send():
            return refusal
        if argument:
            return commands.SYNTAX
        try:
            return await self._data(transaction)
        except MailError as error:  # told while it is known whose message it was
            reply = answer(error)
            self.surroundings.refused(self.client, transaction, b"DATA", reply, error)
            return reply
        finally:
            transaction.reset()

    async def _data(self, transaction: Transaction) -> Reply:
        draft = self.surroundings.reception.draft()
        try:
            scanner = DataScanner(allow_bare=self.surroundings.manner.local)
            self.say(say.GO_AHEAD.octets)
            receiving = Receiving(scanner, draft, transaction.limit, self.loop.time())
            await self.receive(receiving)
            if receiving.draft is None:
                return self._unusable(receiving)
            reply = await self.surroundings.reception.message(self.client, transaction, draft)
        finally:
            draft.discard()
        self._commands = self._errors = 0  # limits are for those who deliver nothing
        return reply

    def _unusable(self, receiving: Receiving) -> Reply:
        flaw = receiving.scanner.flaw
        if flaw is not None:
            reply = say.FLAWS[flaw]
        elif receiving.error is not None:
            reply = answer(receiving.error)
        else:
            reply = say.TOO_LARGE
        self.surroundings.refused(self.client, self._transaction, b"DATA", reply, receiving.error)
        if flaw is Flaw.BARE_CR_OR_LF:
            raise ConnectionEnd(reply.octets)
        return reply

    # the rest

    async def smtp_RSET(self, argument: str) -> Reply:
        if argument:
            return commands.SYNTAX
        self._transaction.reset()
        return say.RESET

    async def smtp_NOOP(self, argument: str) -> Reply:
        return say.OK

    async def smtp_QUIT(self, argument: str) -> Reply:
        if argument:
            return commands.SYNTAX
        raise ConnectionEnd(say.BYE.octets)

    async def smtp_VRFY(self, argument: str) -> Reply:
        return say.VRFY if argument else commands.SYNTAX

    async def smtp_EXPN(self, argument: str) -> Reply:
        return say.EXPN

    async def smtp_HELP(self, argument: str) -> Reply:
        return say.HELP

    # what the listener's patrol asks

    def overdue(self, now: float) -> bool:
        """Whether the peer has used up its time: minutes while there is room, less under pressure."""
        limits, pressed = self.surroundings.limits, self.surroundings.pressed(self.client)
        if self._receiving is not None:
            return self._receiving.overdue(now, limits, pressed=pressed)
        seconds = min(limits.command_timeout, limits.pressure_timeout) if pressed else limits.command_timeout
        return 0.0 < self.waiting_since < now - seconds

    def expire(self) -> None:
        """End a session whose peer is too slow."""
        if self._drained is not None:
            self.transport.abort()
        self.end(say.TIMED_OUT.octets)

    def idle(self) -> bool:
        """Whether nothing is under way that a drain should wait for."""
        return self._transaction.mail is None and self._receiving is None and self._waiter is not None


VERBS: Final[dict[str, Any]] = {
    name.removeprefix("smtp_"): getattr(SmtpSession, name)
    for name in vars(SmtpSession)
    if name.startswith("smtp_")
}


def user_of(transport: asyncio.BaseTransport) -> tuple[int | None, str]:
    """Who is at the other end of a unix socket, as the kernel says: number and name. unix(7), SO_PEERCRED

    A service with PrivateUsers would see all others as nobody, so that of the msa goes without.
    """
    found = transport.get_extra_info("socket")
    if found is None:
        return None, ""
    credentials = found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER_CREDENTIALS.size)
    uid = int(PEER_CREDENTIALS.unpack(credentials)[1])
    try:
        return uid, pwd.getpwuid(uid).pw_name
    except KeyError:
        return uid, f"uid-{uid}"
