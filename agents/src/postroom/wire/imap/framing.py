"""Octets to whole commands: lines joined with their literals. RFC 3501 sections 2.2 and 4.3, RFC 7888.

Room rule: this file interprets only line ends, literal announcements and the one verb (APPEND) whose literal may be
large. Octets beyond a limit are refused before they are stored.
"""

import re
from typing import Final

import msgspec

_LITERAL: Final = re.compile(rb"\{(\d++)(\+?)\}\Z")
_UNASKED: Final = re.compile(rb"\{(\d++)\+\}\r?\Z")
_TAIL: Final = 64  # most octets of an announcement at the end of a line
_TAG: Final = re.compile(rb"([!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]{1,64}+) ")
_MESSAGE: Final = re.compile(rb"[^ ]+ APPEND (?:.)", re.IGNORECASE | re.DOTALL)
_MOST_LITERALS: Final = 128


class FramingLimits(msgspec.Struct, frozen=True):
    """Limits in octets. `command` covers the lines and literals of a command without the message of APPEND."""

    command: int
    literal: int  # one literal
    message: int = 0  # the literal of APPEND
    # A literal that is too large and comes without waiting (`{n+}`) is read to its end up to this size; beyond it the
    # connection ends.
    skip: int = 0


class Frame(msgspec.Struct, frozen=True):
    """A whole command. `text` keeps the announcements of literals with their CR LF, `literals` has their octets."""

    text: bytes
    literals: tuple[bytes, ...] = ()


class WantsLiteral(msgspec.Struct, frozen=True):
    """The client waits for a continuation request."""


class Refused(msgspec.Struct, frozen=True):
    """The octets cannot be used. `fatal`: client and server are out of step, so the connection has to end."""

    tag: bytes
    text: bytes
    fatal: bool
    too_big: bool = True


Event = Frame | WantsLiteral | Refused


class Framer:
    """Cut the stream into commands: `feed` octets, then take events until there are none."""

    __slots__ = (
        "_buffer",
        "_literals",
        "_message_seen",
        "_missing",
        "_rest",
        "_searched",
        "_size",
        "_skipped_for_good",
        "_skipping",
        "_text",
        "limits",
    )

    def __init__(self, limits: FramingLimits) -> None:
        self.limits = limits
        self._buffer = bytearray()
        self._searched = 0
        self._missing = -1  # octets of the literal being read, or -1
        self._skipping: Refused | None = None
        self._skipped_for_good = True
        self._rest = b""  # the end of a line that is being skipped
        self._forget()

    @property
    def pending(self) -> bool:
        """Whether octets of an unfinished command are held."""
        return bool(self._buffer or self._text)

    @property
    def expected(self) -> int:
        """Octets of the literal that is being read and kept, 0 for none."""
        return 0 if self._skipping else max(self._missing, 0)

    @property
    def held(self) -> int:
        """How many octets are held, for measuring memory."""
        return len(self._buffer) + len(self._text) + sum(map(len, self._literals))

    def feed(self, octets: bytes) -> None:
        """Add octets from the connection."""
        self._buffer += octets

    def next_event(self) -> Event | None:
        """Return the next event, or None until more is fed."""
        while True:
            if self._skipping:
                if not self._skip():
                    return None
                refusal, self._skipping = self._skipping, None
                if self._skipped_for_good:
                    return refusal
                return Refused(refusal.tag, refusal.text, fatal=True)
            if self._missing >= 0 and not self._take_literal():
                return None
            line = self._take_line(self.limits.command - self._size)
            if line is None or isinstance(line, Refused):
                return line
            event = self._line_read(line)
            if event is not None:
                return event

    def next_line(self, limit: int) -> bytes | Refused | None:
        """Return one line without CR LF (a SASL response, or DONE), None until more is fed, Refused beyond `limit`."""
        return self._take_line(limit)

    def _take_line(self, limit: int) -> bytes | Refused | None:
        end = self._buffer.find(b"\n", self._searched)
        if (end if end >= 0 else len(self._buffer)) > limit:
            return self._refusal(b"Command line too long", fatal=True)
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        self._drop(end + 1)
        if line[-1:] != b"\r" or b"\r" in line[:-1] or b"\0" in line:
            self._text += line
            # The octets of a literal that comes without waiting must not be read as commands.
            follows = _UNASKED.search(line) is not None
            return self._refusal(
                b"Lines end with CR LF and hold no CR, LF or NUL", fatal=follows, too_big=False
            )
        return line[:-1]

    def _line_read(self, line: bytes) -> Event | None:
        announced = _LITERAL.search(line) if line.endswith(b"}") else None
        self._text += line
        if announced is None:
            frame = Frame(self._text, tuple(self._literals))
            self._forget()
            return frame
        digits, waits_not = announced[1], bool(announced[2])
        size = int(digits) if len(digits) <= 10 else 1 << 40
        if not self._fits(size, line):
            return self._literal_refused(size, waits_not)
        is_message = self._is_message()
        self._size += len(line) + (0 if is_message else size)
        self._message_seen |= is_message
        self._text += b"\r\n"
        self._missing = size
        return None if waits_not else WantsLiteral()

    def _is_message(self) -> bool:
        """Tell whether the literal announced last is the one message of an APPEND."""
        if not self.limits.message or self._message_seen:
            return False
        return _MESSAGE.match(self._text[: self._text.rfind(b"{")]) is not None

    def _fits(self, size: int, line: bytes) -> bool:
        if len(self._literals) >= _MOST_LITERALS:
            return False
        if self._is_message():
            return size <= self.limits.message
        return size <= self.limits.literal and self._size + len(line) + size <= self.limits.command

    def _literal_refused(self, size: int, waits_not: bool) -> Refused | None:
        if not waits_not:
            return self._refusal(b"Literal too large", fatal=False)
        if size > self.limits.skip:
            return self._refusal(b"Literal too large", fatal=True)
        self._skipping = self._refusal(b"Literal too large", fatal=False)
        self._missing = size
        return None

    def _skip(self) -> bool:
        """Skip refused literals up to the end of the command; return False until it has come."""
        while True:
            size = min(max(self._missing, 0), len(self._buffer))
            self._drop(size)
            self._missing -= size
            if self._missing > 0:
                return False
            line = self._skip_line()
            if line is None:
                return False
            follows = _UNASKED.search(line)
            self._missing = int(follows[1]) if follows else -1
            if follows is None or self._missing > self.limits.skip:
                # Too large to be skipped, and its octets must not be read as commands.
                self._skipped_for_good = follows is None
                self._missing = -1
                return True

    def _skip_line(self) -> bytes | None:
        """Drop the rest of a line; return its last octets, or None until its end has come."""
        end = self._buffer.find(b"\n")
        seen = self._buffer if end < 0 else self._buffer[:end]
        self._rest = (self._rest + seen[-_TAIL:])[-_TAIL:]
        self._drop(len(self._buffer) if end < 0 else end + 1)
        if end < 0:
            return None
        line, self._rest = self._rest, b""
        return bytes(line)

    def _take_literal(self) -> bool:
        size = self._missing
        if len(self._buffer) < size:
            return False
        with memoryview(self._buffer) as view:
            self._literals.append(bytes(view[:size]))
        self._drop(size)
        self._missing = -1
        return True

    def _drop(self, size: int) -> None:
        if size == len(self._buffer):
            self._buffer = bytearray()  # gives a large literal's memory back
        else:
            del self._buffer[:size]
        self._searched = 0

    def _refusal(self, text: bytes, *, fatal: bool, too_big: bool = True) -> Refused:
        tag = _TAG.match(self._text) or _TAG.match(self._buffer[:65])
        refusal = Refused(tag[1] if tag else b"*", text, fatal, too_big)
        self._forget()
        return refusal

    def _forget(self) -> None:
        self._text = b""
        self._literals: list[bytes] = []
        self._size = 0
        self._message_seen = False
