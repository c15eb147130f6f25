"""One SMTP session: read a line, have its verb answered, count commands and errors. RFC 5321 section 4.1, RFC 2920.

Room rule: the session knows no verbs; the listener passes the table (`verbs`). A verb translates a line to values,
calls the transaction and the Reception, and turns refusals into replies. An unexpected exception becomes one log line
and a 421.
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
from postroom.smtpd import replies
from postroom.smtpd.context import SmtpContext
from postroom.smtpd.reception import Client
from postroom.smtpd.stream import OUTPUT_WATER, ConnectionEnd, Stream
from postroom.smtpd.transaction import Transaction
from postroom.wire import sasl
from postroom.wire.smtp import commands
from postroom.wire.smtp.answers import answer
from postroom.wire.smtp.commands import CommandError
from postroom.wire.smtp.replies import Reply

TURN: Final = 64  # commands between two yields to the event loop
PEER_CREDENTIALS: Final = struct.Struct("iII")  # pid, uid, gid: unix(7)
_LONG_VERBS: Final = frozenset({b"MAIL", b"RCPT", b"AUTH"})
Verb = Callable[["SmtpSession", str], Awaitable[Reply]]  # takes the session and the command's argument


class SmtpSession(Stream):
    """The server side of one connection."""

    def __init__(self, context: SmtpContext, verbs: Mapping[str, Verb]) -> None:
        super().__init__(context.loop)
        self.context = context
        self._verbs = verbs
        self.client = Client("")
        self.task: asyncio.Task[None] | None = None
        self.transaction = Transaction(context.limits.message_octets, context.limits.recipients)
        self.commands = 0
        self.errors = 0
        self._cut_off: asyncio.TimerHandle | None = None

    def _is_plain(self) -> bool:
        return not self.client.secured

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the session, or refuse it when there are too many."""
        if self.transport is not None:  # after the TLS handshake the session continues
            self.transport = transport
            self._note_tls()
            return
        self.transport = transport
        self.client.address = self.context.client_address(transport)
        if self.context.listener.local:
            self.client.uid, self.client.user = user_of(transport)
        if refusal := self.context.admit(self):
            self._turn_away(refusal)
            return
        self._note_tls()
        self.task = self.loop.create_task(self._handle_client())

    def _turn_away(self, reply: Reply) -> None:
        self.transport.write(reply.octets)
        self.transport.close()

    async def _handle_client(self) -> None:
        try:
            self.write(self.context.greeting)
            await self._converse()
        except ConnectionEnd as end:
            if end.reply:
                self.write(end.reply)
            self.flush()
        except asyncio.CancelledError:
            self.transport.abort()
        except Exception as error:
            self.context.log_internal_error(self.client, error)
            self.write(replies.INTERNAL.octets)
            self.flush()
        finally:
            self.context.release(self)
            self._close()

    def _close(self) -> None:
        """Close after the output buffer has drained; abort if the peer does not read it in time."""
        if not self.gone and self.transport.get_write_buffer_size():
            self._cut_off = self.loop.call_later(LINGER, self.transport.abort)
        self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Cancel the timer that would abort the connection."""
        super().connection_lost(error)
        if self._cut_off is not None:
            self._cut_off.cancel()

    async def _converse(self) -> None:
        limits = self.context.limits
        while True:
            if self.context.draining and self.transaction.mail is None:
                raise ConnectionEnd(replies.CLOSING.octets)
            line = await self.line(commands.MAX_MAIL_OR_RCPT)
            self.commands += 1
            if self.commands - len(self.transaction.accepted) > limits.commands:
                raise self._disconnect(replies.TOO_MANY_COMMANDS)
            reply = await self._answer(line)
            self.write(reply.octets)
            if reply.permanent:
                self.errors += 1
                if self.errors >= limits.errors:
                    raise self._disconnect(replies.TOO_MANY_ERRORS)
            if self._pending > OUTPUT_WATER:
                self.flush()
                await self.drained()
            if self.commands % TURN == 0:
                await asyncio.sleep(0)  # a long pipeline must not block other sessions

    def _disconnect(self, reply: Reply) -> ConnectionEnd:
        self.context.log_disconnect(self.client, reply)
        return ConnectionEnd(reply.octets)

    async def _answer(self, line: bytes | None) -> Reply:
        if line is None:
            return self._too_long()
        if line[-2:] != b"\r\n" or b"\r" in line[:-2]:
            raise self._disconnect(replies.BARE_LINE_END)
        if len(line) > commands.MAX_COMMAND and line[:4].upper() not in _LONG_VERBS:
            return replies.LINE_TOO_LONG
        try:
            verb, argument = commands.parse_command(line[:-2])
            answered = self._verbs.get(verb)
            return commands.BAD_LINE if answered is None else await answered(self, argument)
        except CommandError as error:
            return error.reply
        except MailError as error:
            reply = answer(error)
            self.context.log_refusal(self.client, self.transaction, line, reply, error)
            return reply

    def _too_long(self) -> Reply:
        """Return the reply to an overlong line. An AUTH with an unknown mechanism is refused for that reason first."""
        verb, mechanism, *_ = (*self.overlong.split(b" ", 2), b"", b"")
        may_log_in = self.context.listener.login and self.client.secured
        if may_log_in and verb.upper() == b"AUTH" and not sasl.offered(mechanism.decode("latin-1")):
            return replies.UNKNOWN_MECHANISM
        return replies.LINE_TOO_LONG

    def _note_tls(self) -> None:
        found = cast("ssl.SSLObject | None", self.transport.get_extra_info("ssl_object"))
        if found is not None:
            self.client.tls_version = found.version() or "TLS"
            self.client.cipher = (found.cipher() or ("",))[0]

    # called by the listener's patrol

    def overdue(self, now: float) -> bool:
        """Return whether the peer has used up its time: minutes while there is room, less under pressure."""
        limits, pressed = self.context.limits, self.context.under_pressure(self.client)
        if self._receiving is not None:
            return self._receiving.overdue(now, limits, pressed=pressed)
        seconds = min(limits.command_timeout, limits.pressure_timeout) if pressed else limits.command_timeout
        return 0.0 < self.waiting_since < now - seconds

    def expire(self) -> None:
        """End a session whose peer is too slow."""
        if self._drained is not None:
            self.transport.abort()
        self.end(replies.TIMED_OUT.octets)

    def idle(self) -> bool:
        """Return whether the session can be closed at once when the server drains."""
        return self.transaction.mail is None and self._receiving is None and self._waiter is not None


def user_of(transport: asyncio.BaseTransport) -> tuple[int | None, str]:
    """Return the user id and user name at the other end of a unix socket. unix(7), SO_PEERCRED

    PrivateUsers= would show every other user as `nobody`, so the msa's unit does not set it.
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
