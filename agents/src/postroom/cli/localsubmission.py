"""Speak SMTP to the msa's local socket, for the sendmail command. Synchronous and small."""

import os
import select
import socket
import sys
from types import TracebackType
from typing import Final

from postroom.wire.smtp.data import stuffed
from postroom.wire.smtp.replies import Reply, ReplyError, ReplyReader

EX_DATAERR, EX_TEMPFAIL, EX_NOPERM = 65, 75, 77
CONNECT_SECONDS: Final = 10
REPLY_SECONDS: Final = 300  # RFC 5321 section 4.5.3.2 and more: the disk may be slow


class SubmissionFailed(Exception):
    """The msa did not accept the message: an exit status and one line."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class SmtpConversation:
    """One SMTP conversation. `host` is the name in the greeting."""

    def __init__(self, stream: socket.socket, *, verbose: bool) -> None:
        self._stream = stream
        self._reader = ReplyReader()
        self._verbose = verbose
        greeting = self._expect(220)
        self.host = greeting.text.split(" ", 1)[0]
        self._ask(f"EHLO {self.host}", 250)

    def __enter__(self) -> "SmtpConversation":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def send(self, sender: str, recipients: list[str], message: bytes) -> list[str]:
        """Send the message; return the replies to refused recipients. Raises SubmissionFailed."""
        self._ask(f"MAIL FROM:<{sender}> BODY=8BITMIME", 250)
        refused = []
        for address in recipients:
            reply = self._exchange(f"RCPT TO:<{address}>")
            if reply.temporary:
                raise SubmissionFailed(EX_TEMPFAIL, f"<{address}>: {reply}")
            if not reply.positive:
                refused.append(f"<{address}>: {reply}")
        if len(refused) < len(recipients):
            self._ask("DATA", 354)
            self._write(stuffed(message, True) + b".\r\n")
            self._expect(250)
        self._exchange("QUIT")
        return refused

    def _ask(self, line: str, code: int) -> Reply:
        self._say(line)
        return self._expect(code)

    def _exchange(self, line: str) -> Reply:
        self._say(line)
        return self._hear()

    def _say(self, line: str) -> None:
        if not line.isprintable():
            raise SubmissionFailed(EX_DATAERR, "control character in an address")
        if self._verbose:
            sys.stderr.write(f">>> {line}\n")
        try:
            self._write(f"{line}\r\n".encode("ascii"))
        except UnicodeEncodeError as error:
            raise SubmissionFailed(EX_DATAERR, "an address is not ASCII") from error

    def _expect(self, code: int) -> Reply:
        reply = self._hear()
        if reply.code == code:
            return reply
        if reply.temporary:
            raise SubmissionFailed(EX_TEMPFAIL, str(reply))
        raise SubmissionFailed(EX_NOPERM if reply.enhanced.startswith("5.7") else EX_DATAERR, str(reply))

    def _write(self, octets: bytes) -> None:
        try:
            self._stream.sendall(octets)
        except OSError as error:
            raise SubmissionFailed(EX_TEMPFAIL, f"mail system: {error.strerror or error}") from error

    def _hear(self) -> Reply:
        try:
            while (reply := self._reader.next_reply()) is None:
                octets = self._stream.recv(65536)
                if not octets:
                    raise SubmissionFailed(EX_TEMPFAIL, "mail system closed the connection")
                self._reader.feed(octets)
        except (OSError, ReplyError) as error:
            raise SubmissionFailed(EX_TEMPFAIL, f"mail system: {error}") from error
        if self._verbose:
            sys.stderr.write(f"<<< {reply}\n")
        return reply


def connect(path: str, *, verbose: bool = False) -> SmtpConversation:
    """Connect to the msa. Raises SubmissionFailed if the mail system does not run, or the caller may not use it."""
    return SmtpConversation(_socket(path), verbose=verbose)


def _socket(path: str) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(CONNECT_SECONDS)
    try:
        stream.connect(path)
    except PermissionError as error:
        raise SubmissionFailed(EX_NOPERM, f"{path}: permission denied") from error
    except OSError as error:
        raise SubmissionFailed(EX_TEMPFAIL, f"mail system does not run ({path}: {error.strerror})") from error
    stream.settimeout(REPLY_SECONDS)
    return stream


def pass_through(path: str) -> int:
    """Connect standard input and output to the msa, which speaks SMTP itself (`-bs`). Raises SubmissionFailed."""
    try:
        return _passed(_socket(path))
    except OSError as error:
        raise SubmissionFailed(EX_TEMPFAIL, f"mail system: {error.strerror or error}") from error


def _passed(stream: socket.socket) -> int:
    waiting = [stream.fileno(), 0]
    while True:
        readable, _, _ = select.select(waiting, [], [], REPLY_SECONDS)
        if not readable:
            return EX_TEMPFAIL
        if stream.fileno() in readable:
            octets = stream.recv(65536)
            if not octets:
                return 0
            _write_all(1, octets)
        if 0 in readable:
            octets = os.read(0, 65536)
            if octets:
                stream.sendall(octets)
            else:
                stream.shutdown(socket.SHUT_WR)
                waiting.remove(0)


def _write_all(descriptor: int, octets: bytes) -> None:
    while octets:
        octets = octets[os.write(descriptor, octets) :]
