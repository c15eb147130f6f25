"""Replies as values, and a client's reader for them. RFC 5321 section 4.2, RFC 2034.

Room rule: a reply is made printable here, so that no foreign text can begin a second line.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

MAX_LINE: Final = 512  # RFC 5321 section 4.5.3.1.5
MAX_HEARD_LINE: Final = 4096  # limit that a client accepts
MAX_HEARD: Final = 65536

_UNPRINTABLE: Final = re.compile(r"[^ -~]")
_LINE: Final = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_ENHANCED: Final = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: +|\Z)")  # RFC 3463 section 2


class ReplyError(ValueError):
    """The server sent something that is not an SMTP reply, so the connection has to be closed."""


@dataclass(frozen=True)
class Reply:
    """A reply: code, enhanced status ("" for none) and text; `\\n` separates its lines."""

    code: int
    enhanced: str = ""
    text: str = ""

    @property
    def positive(self) -> bool:
        """Return whether the code is 2xx or 3xx."""
        return self.code < 400

    @property
    def temporary(self) -> bool:
        """Return whether the code is 4xx: the same may work later."""
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        """Return whether the code is 5xx."""
        return self.code >= 500

    @property
    def closing(self) -> bool:
        """Return whether the server closes the connection after this reply (RFC 5321 section 3.8)."""
        return self.code in (221, 421)

    @cached_property
    def octets(self) -> bytes:
        """Return the reply as sent, with every line within 512 octets."""
        status = f"{self.enhanced} " if self.enhanced else ""
        room = MAX_LINE - 6 - len(status)
        lines = [status + _UNPRINTABLE.sub("?", line)[:room] for line in self.text.split("\n")]
        shown = [f"{self.code}-{line}\r\n" for line in lines[:-1]]
        return "".join((*shown, f"{self.code} {lines[-1]}\r\n")).encode("ascii")

    def __str__(self) -> str:
        """Return the reply on one line, for logs and reports."""
        words = (str(self.code), self.enhanced, self.text.replace("\n", " / "))
        return " ".join(word for word in words if word)


class ReplyReader:
    """Reads a server's replies from octets in pieces of any size."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._lines: list[str] = []
        self._code = 0
        self._size = 0

    @property
    def unread(self) -> int:
        """Return the number of unparsed octets; it must be 0 when TLS begins (RFC 3207 section 6)."""
        return len(self._unread) + self._size

    def feed(self, octets: bytes) -> None:
        """Take octets from the server."""
        self._unread += octets

    def next_reply(self) -> Reply | None:
        """Return the next complete reply, or None until more is fed. Raises ReplyError."""
        while (end := self._unread.find(b"\n")) >= 0:
            line = bytes(self._unread[:end]).removesuffix(b"\r")
            del self._unread[: end + 1]
            self._size += end + 1
            if len(line) > MAX_HEARD_LINE or self._size > MAX_HEARD:
                raise ReplyError("reply too long")
            if self._take(line):
                return self._finish()
        if len(self._unread) > MAX_HEARD_LINE:
            raise ReplyError("reply line too long")
        return None

    def _take(self, line: bytes) -> bool:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ReplyError("not an SMTP reply")
        code = int(match[1])
        if self._lines and code != self._code:
            raise ReplyError("lines of one reply differ in their codes")
        self._code = code
        self._lines.append(_UNPRINTABLE.sub("?", (match[3] or b"").decode("latin-1")))
        return match[2] != b"-"

    def _finish(self) -> Reply:
        enhanced, texts = "", []
        for line in self._lines:
            match = _ENHANCED.match(line)
            if match is None or match[1][0] != str(self._code)[0]:
                texts.append(line)
                continue
            enhanced = enhanced or match[1]
            texts.append(line[match.end() :])
        self._lines, self._size = [], 0
        return Reply(self._code, enhanced, "\n".join(texts))
