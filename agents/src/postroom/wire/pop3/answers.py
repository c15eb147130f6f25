"""Replies as octets. RFC 1939 section 3, response codes by RFC 2449 section 8 and RFC 3206."""

import re
from collections.abc import Iterable, Mapping

from postroom.contracts.errors import (
    LoginRefused,
    LoginThrottled,
    MailboxError,
    MailboxInUse,
    MailError,
    MessageGone,
    MessageLost,
    Unavailable,
    nearest,
)

END = b".\r\n"
FAULT = b"-ERR [SYS/TEMP] internal error, the log says which\r\n"
_LINE_END = re.compile(rb"\r\n|\r|\n")

REFUSALS: Mapping[type[MailError], str] = {
    LoginRefused: "[AUTH] authentication failed",
    LoginThrottled: "[SYS/TEMP] too many failures, try again later",
    MailboxInUse: "[IN-USE] maildrop is open in another session",
    MessageGone: "no such message any more",
    MessageLost: "[SYS/PERM] message cannot be read, tell the postmaster",
    Unavailable: "[SYS/TEMP] not available now, try again later",
    MailboxError: "[SYS/PERM] maildrop cannot be used",
    MailError: "[SYS/PERM] refused",
}


def ok(text: str = "") -> bytes:
    """Return a positive reply of one line."""
    return f"+OK {text}\r\n".encode() if text else b"+OK\r\n"


def err(text: str) -> bytes:
    """Return a negative reply of one line; `text` may begin with a response code."""
    return f"-ERR {text}\r\n".encode("ascii", "replace")


def refusal(error: MailError) -> bytes:
    """Return the POP3 reply for an error."""
    return err(nearest(REFUSALS, error) or REFUSALS[MailError])


def listing(head: str, lines: Iterable[str]) -> bytes:
    """Return a multi-line reply of short lines, none of which begins with a dot."""
    return b"".join((ok(head), "".join(f"{line}\r\n" for line in lines).encode(), END))


def challenge(encoded: bytes) -> bytes:
    """Return a SASL challenge, which is base64 already. RFC 5034 section 4."""
    return b"+ " + encoded + b"\r\n"


def capabilities(secured: bool, logged_in: bool, tls: bool) -> tuple[str, ...]:
    """Return the lines of CAPA. Passwords are offered under TLS only (RFC 8314 section 3.1)."""
    common = ("TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "EXPIRE NEVER")
    login = ("USER", "SASL PLAIN LOGIN") if secured else ()
    start = ("STLS",) if tls and not secured and not logged_in else ()
    return (*common, *login, *start, "IMPLEMENTATION Postroom")


def message(content: bytes) -> bytes:
    """Return a message as the body of a multi-line reply: with CR LF pairs only, doubled dots and the final dot."""
    body = MultilineBody()
    return body.piece(content) + body.end()


class MultilineBody:
    """Make the body of a multi-line reply from a message that comes in pieces.

    Bare CR and LF become pairs, since the text could end the reply early otherwise.
    """

    def __init__(self) -> None:
        self._held = b""  # a CR that an LF may follow
        self._line_begins = True

    def piece(self, octets: bytes) -> bytes:
        """Return the next octets of the reply."""
        octets = self._held + octets if self._held else octets
        self._held = b""
        if octets.endswith(b"\r"):
            octets, self._held = octets[:-1], b"\r"
        octets = _paired(octets)
        stuffed = octets.replace(b"\r\n.", b"\r\n..")
        if self._line_begins and octets.startswith(b"."):
            stuffed = b"." + stuffed
        if octets:
            self._line_begins = octets.endswith(b"\r\n")
        return stuffed

    def end(self) -> bytes:
        """Return what follows the last piece."""
        return END if self._line_begins and not self._held else b"\r\n" + END


def _paired(octets: bytes) -> bytes:
    if octets.count(b"\n") == octets.count(b"\r") == octets.count(b"\r\n"):
        return octets
    return _LINE_END.sub(b"\r\n", octets)


class Top:
    """Cut the header, the empty line and some lines of the body out of a message that comes in pieces.

    `done` says that the rest of the message is not needed. Lines end as in the reply: bare CR and LF end them too.
    """

    def __init__(self, lines: int) -> None:
        self.done = False
        self._left = lines
        self._end = b"\r\n"  # of the header so far; a message may begin with the empty line
        self._in_header = True
        self._held = b""  # a CR that an LF may follow

    def piece(self, octets: bytes) -> bytes:
        """Return what belongs to the reply of the next octets."""
        if self.done:
            return b""
        octets, self._held = self._held + octets, b""
        if octets.endswith(b"\r"):
            octets, self._held = octets[:-1], b"\r"
        octets = _paired(octets)
        return self._header(octets) if self._in_header else self._body(octets)

    def end(self) -> bytes:
        """Return what is left when the message has ended."""
        return self.piece(b"\n") if self._held else b""

    def _header(self, octets: bytes) -> bytes:
        seen = self._end + octets
        found = seen.find(b"\r\n\r\n")
        if found < 0:
            self._end = seen[-3:]
            return octets
        self._in_header = False
        body = found + 4 - len(self._end)
        return octets[:body] + self._body(octets[body:])

    def _body(self, octets: bytes) -> bytes:
        self._left -= octets.count(b"\r\n")
        if self._left > 0:
            return octets
        self.done = True
        if not self._left:
            return octets[: octets.rfind(b"\r\n") + 2] if b"\r\n" in octets else b""
        wanted = self._left + octets.count(b"\r\n")
        return octets[: len(octets) - len(octets.split(b"\r\n", wanted)[-1])] if wanted else b""
