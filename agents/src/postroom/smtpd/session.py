"""One SMTP conversation: the loop that reads a line, has its verb answered, and counts. RFC 5321 section 4.1, RFC 2920.

Room rule: the session knows no verb; the listener hands it the table (`verbs`). A verb translates: line to value, value
to the transaction and the Reception, refusal to reply. Anything unexpected becomes one log line and a 421.
"""

import asyncio
import pwd
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast

from postroom.contracts.errors import MailError
from postroom.runtime.connections import LINGER
from postroom.smtpd import sayings as say
from postroom.smtpd.reception import Client
from postroom.smtpd.stream import OUTPUT_WATER, ConnectionEnd, Stream
from postroom.smtpd.surroundings import Surroundings
from postroom.smtpd.transaction import Transaction
from postroom.wire import sasl
from postroom.wire.smtp import commands
from postroom.wire.smtp.answers import answer
from postroom.wire.smtp.commands import CommandError
from postroom.wire.smtp.replies import Reply

TURN: Final = 64  # commands
PEER_CREDENTIALS: Final = struct.Struct("iII")  # pid, uid, gid: unix(7)
_LONG_VERBS: Final = frozenset({b"MAIL", b"RCPT", b"AUTH"})
Verb = Callable[["SmtpSession", str], Awaitable[Reply]]  # a session and the command's argument


class SmtpSession(Stream):
    """The server's side of one connection."""

    def __init__(self, surroundings: Surroundings, verbs: Mapping[str, Verb]) -> None:
        super().__init__(surroundings.loop)
        self.surroundings = surroundings
        self._verbs = verbs
        self.client = Client("")
        self.task: asyncio.Task[None] | None = None
        self.transaction = Transaction(surroundings.limits.message_octets, surroundings.limits.recipients)
        self.commands = 0
        self.errors = 0
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
        if not self.gone and self.transport.get_write_buffer_size():
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
            if self.surroundings.draining and self.transaction.mail is None:
                raise ConnectionEnd(say.CLOSING.octets)
            line = await self.line(commands.MAX_MAIL_OR_RCPT)
            self.commands += 1
            if self.commands - len(self.transaction.accepted) > limits.commands:
                raise self._sent_away(say.TOO_MANY_COMMANDS)
            reply = await self._answer(line)
            self.say(reply.octets)
            if reply.permanent:
                self.errors += 1
                if self.errors >= limits.errors:
                    raise self._sent_away(say.TOO_MANY_ERRORS)
            if self._pending > OUTPUT_WATER:
                self.flush()
                await self.drained()
            if self.commands % TURN == 0:
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
            answered = self._verbs.get(verb)
            return commands.BAD_LINE if answered is None else await answered(self, argument)
        except CommandError as error:
            return error.reply
        except MailError as error:
            reply = answer(error)
            self.surroundings.refused(self.client, self.transaction, line, reply, error)
            return reply

    def _too_long(self) -> Reply:
        """An AUTH with a long response is told first that its mechanism is not offered."""
        verb, mechanism, *_ = (*self.overlong.split(b" ", 2), b"", b"")
        may_log_in = self.surroundings.manner.login and self.client.secured
        if may_log_in and verb.upper() == b"AUTH" and not sasl.offered(mechanism.decode("latin-1")):
            return say.UNKNOWN_MECHANISM
        return say.LINE_TOO_LONG

    def _note_tls(self) -> None:
        found = cast("ssl.SSLObject | None", self.transport.get_extra_info("ssl_object"))
        if found is not None:
            self.client.tls_version = found.version() or "TLS"
            self.client.cipher = (found.cipher() or ("",))[0]

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
        return self.transaction.mail is None and self._receiving is None and self._waiter is not None


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
