"""The server side of LMTP, without I/O. RFC 2033, RFC 2034, RFC 2920, RFC 1870, RFC 6152; XFORWARD as in Postfix.

Room rule: octets in, questions out; answers in, octets out. While a question is open nothing further is read, so each
command is judged after the effects of the previous one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from postroom.contracts.errors import MailError, MessageMalformed, MessageTooLarge, TooManyRecipients
from postroom.wire.smtp import commands
from postroom.wire.smtp.answers import answer
from postroom.wire.smtp.commands import Command, CommandError, Mail, Recipient
from postroom.wire.smtp.data import DataScanner
from postroom.wire.smtp.parameters import SIZE_AND_BODY
from postroom.wire.smtp.replies import Reply

MAX_IDENT: Final = 255

_FORWARDED: Final = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE")
_OK: Final = Reply(250, "2.0.0", "OK")
_SENDER_OK: Final = Reply(250, "2.1.0", "Sender OK")
_RECIPIENT_OK: Final = Reply(250, "2.1.5", "Recipient OK")
_GO_ON: Final = Reply(354, "", "End with a dot on its own line")
_BYE: Final = Reply(221, "2.0.0", "Bye")
_PERHAPS: Final = Reply(252, "2.0.0", "Send mail and see")
_NO_LISTS: Final = Reply(502, "5.5.1", "Not available")
_UNKNOWN: Final = Reply(500, "5.5.1", "Command unrecognized")
_LINE_TOO_LONG: Final = Reply(500, "5.5.2", "Line too long")
_ORDER: Final = Reply(503, "5.5.1", "Bad sequence of commands")
_HELLO_FIRST: Final = Reply(503, "5.5.1", "Send LHLO first")
_NO_RECIPIENTS: Final = Reply(503, "5.5.1", "No valid recipients")
_TOO_MANY_ERRORS: Final = Reply(421, "4.7.0", "Too many errors")
_LEAVING: Final = Reply(421, "4.3.2", "Service is going down, try again")


@dataclass(frozen=True, slots=True)
class AskRecipient:
    """Asks whether a recipient is accepted. Answer with `accept` or `refuse`."""

    recipient: Recipient


@dataclass(frozen=True, slots=True)
class AskDelivery:
    """Asks to deliver a complete message. Answer with `delivered`, one outcome per target."""

    mail: Mail
    ident: str  # XFORWARD IDENT, "" when not given
    targets: tuple[Any, ...]  # the arguments of `accept`, in order
    content: bytes


Question = AskRecipient | AskDelivery


@dataclass(frozen=True, slots=True)
class LmtpLimits:
    """Octets of a message, recipients of a transaction, bad commands of a session."""

    message_bytes: int
    recipients: int = 1000
    errors: int = 10


@dataclass(slots=True)
class _Transaction:
    mail: Mail
    targets: list[Any] = field(default_factory=list)
    scanner: DataScanner | None = None
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0


class LmtpSession:
    """One connection. `output` returns the octets to send; when `closed` is set, close after sending them."""

    def __init__(self, host_name: str, limits: LmtpLimits) -> None:
        self._host_name = host_name
        self._limits = limits
        self._unread = bytearray()
        self._output: list[bytes] = [Reply(220, "", f"{host_name} LMTP").octets]
        self._greeted = False
        self._ident = ""
        self._transaction: _Transaction | None = None
        self._asked: Question | None = None
        self._errors = 0
        self._leaving = False
        self.closed = False

    @property
    def in_transaction(self) -> bool:
        """Return whether a transaction has begun and its message is not finished."""
        return self._transaction is not None

    @property
    def received(self) -> int:
        """Return the octets of the present message so far."""
        return self._transaction.size if self._transaction else 0

    def output(self) -> bytes:
        """Return the octets to send now. Each octet is returned once."""
        octets = b"".join(self._output)
        self._output.clear()
        return octets

    def leave(self) -> None:
        """Close with 421 as soon as no transaction is open. RFC 5321 section 3.8."""
        self._leaving = True
        if self._transaction is None and not self.closed:
            self._close(_LEAVING)

    def feed(self, octets: bytes) -> None:
        """Take octets from the peer."""
        transaction = self._transaction
        if transaction and transaction.scanner and not transaction.scanner.finished:
            self._receive(transaction, transaction.scanner, octets)
        elif not self.closed:
            self._unread += octets

    def next_question(self) -> Question | None:
        """Run commands up to the next question. Return None if more octets are needed or the session is closed."""
        while self._asked is None and not self.closed:
            transaction = self._transaction
            if transaction and transaction.scanner:
                if not transaction.scanner.finished:
                    return None
                self._finish_data(transaction)
                continue
            line = self._line()
            if line is None:
                return None
            self._obey(line)
        return self._asked

    def accept(self, target: Any) -> None:
        """Accept the recipient. `target` is returned with the message."""
        self._asked = None
        if self._transaction:
            self._transaction.targets.append(target)
        self._send(_RECIPIENT_OK)

    def refuse(self, error: MailError) -> None:
        """Refuse the recipient."""
        self._asked = None
        self._send(answer(error))

    def delivered(self, outcomes: Sequence[MailError | Reply | None]) -> None:
        """Report one outcome per target, in order; None means success."""
        self._asked = None
        self._reply_each(outcomes)

    def _line(self) -> bytes | None:
        end = self._unread.find(b"\r\n", 0, commands.MAX_MAIL_OR_RCPT)
        if end < 0:
            if len(self._unread) >= commands.MAX_MAIL_OR_RCPT:
                self._close(_LINE_TOO_LONG)
            return None
        line = bytes(self._unread[:end])
        del self._unread[: end + 2]
        return line

    def _obey(self, line: bytes) -> None:
        try:
            command = commands.parse_command(line)
            handler = _HANDLERS.get(command.verb)
            if handler is None:
                raise CommandError(_UNKNOWN)
            handler(self, command)
        except CommandError as error:
            self._errors += 1
            self._send(error.reply)
            if self._errors >= self._limits.errors:
                self._close(_TOO_MANY_ERRORS)

    def _send(self, reply: Reply) -> None:
        self._output.append(reply.octets)

    def _close(self, reply: Reply) -> None:
        self._send(reply)
        self.closed = True
        self._transaction = None
        self._unread.clear()

    def _lhlo(self, command: Command) -> None:
        commands.parse_helo(command.argument)
        self._reset()
        self._greeted = True
        offers = (
            self._host_name,
            "PIPELINING",
            "ENHANCEDSTATUSCODES",
            "8BITMIME",
            f"SIZE {self._limits.message_bytes}",
            f"XFORWARD {' '.join(_FORWARDED)}",
        )
        self._send(Reply(250, "", "\n".join(offers)))

    def _reset(self) -> None:
        self._transaction = None
        self._ident = ""

    def _xforward(self, command: Command) -> None:
        if self._transaction or not self._greeted:
            raise CommandError(_ORDER)
        for word in command.argument.split():
            name, mark, value = word.partition("=")
            if not mark or name.upper() not in _FORWARDED:
                raise CommandError(commands.SYNTAX)
            text = commands.xtext_decoded(value)
            if name.upper() == "IDENT" and text != "[UNAVAILABLE]":
                if not text.isascii() or len(text) > MAX_IDENT:
                    raise CommandError(commands.SYNTAX)
                self._ident = text
        self._send(_OK)

    def _mail(self, command: Command) -> None:
        if not self._greeted:
            raise CommandError(_HELLO_FIRST)
        if self._transaction:
            raise CommandError(_ORDER)
        mail = commands.parse_mail(command.argument, SIZE_AND_BODY)
        if mail.size > self._limits.message_bytes:
            self._send(answer(MessageTooLarge()))
            return
        self._transaction = _Transaction(mail)
        self._send(_SENDER_OK)

    def _rcpt(self, command: Command) -> None:
        if self._transaction is None:
            raise CommandError(_ORDER)
        recipient = commands.parse_rcpt(command.argument, commands.NO_PARAMETERS)
        if len(self._transaction.targets) >= self._limits.recipients:
            self._send(answer(TooManyRecipients()))
            return
        self._asked = AskRecipient(recipient)

    def _data(self, command: Command) -> None:
        if command.argument:
            raise CommandError(commands.SYNTAX)
        transaction = self._transaction
        if transaction is None:
            raise CommandError(_ORDER)
        if not transaction.targets:
            raise CommandError(_NO_RECIPIENTS)
        self._send(_GO_ON)
        transaction.scanner = DataScanner()
        octets = bytes(self._unread)
        self._unread.clear()
        if octets:
            self._receive(transaction, transaction.scanner, octets)

    def _receive(self, transaction: _Transaction, scanner: DataScanner, octets: bytes) -> None:
        piece = scanner.feed(octets)
        transaction.size += len(piece)
        if transaction.size <= self._limits.message_bytes and scanner.flaw is None:
            transaction.pieces.append(piece)
        else:
            transaction.pieces.clear()  # the message is read to its end but not stored
        if scanner.finished:
            self._unread += scanner.rest

    def _finish_data(self, transaction: _Transaction) -> None:
        assert transaction.scanner is not None
        flaw = transaction.scanner.flaw
        if flaw is not None:
            self._reply_each([MessageMalformed(flaw.value)] * len(transaction.targets))
        elif transaction.size > self._limits.message_bytes:
            self._reply_each([MessageTooLarge()] * len(transaction.targets))
        else:
            content = b"".join(transaction.pieces)
            transaction.pieces.clear()
            self._asked = AskDelivery(transaction.mail, self._ident, tuple(transaction.targets), content)

    def _reply_each(self, outcomes: Sequence[MailError | Reply | None]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, MailError):
                self._send(answer(outcome))
            else:
                self._send(outcome or _OK)
        self._reset()
        if self._leaving:
            self._close(_LEAVING)

    def _rset(self, command: Command) -> None:
        if command.argument:
            raise CommandError(commands.SYNTAX)
        self._reset()
        self._send(_OK)

    def _noop(self, command: Command) -> None:
        self._send(_OK)

    def _vrfy(self, command: Command) -> None:
        if not command.argument:
            raise CommandError(commands.SYNTAX)
        self._send(_PERHAPS)

    def _expn(self, command: Command) -> None:
        raise CommandError(_NO_LISTS)

    def _help(self, command: Command) -> None:
        self._send(Reply(214, "2.0.0", "LHLO MAIL RCPT DATA RSET NOOP QUIT VRFY XFORWARD"))

    def _quit(self, command: Command) -> None:
        self._close(_BYE)


_HANDLERS: Final[Mapping[str, Any]] = {
    "LHLO": LmtpSession._lhlo,
    "XFORWARD": LmtpSession._xforward,
    "MAIL": LmtpSession._mail,
    "RCPT": LmtpSession._rcpt,
    "DATA": LmtpSession._data,
    "RSET": LmtpSession._rset,
    "NOOP": LmtpSession._noop,
    "VRFY": LmtpSession._vrfy,
    "EXPN": LmtpSession._expn,
    "HELP": LmtpSession._help,
    "QUIT": LmtpSession._quit,
}
