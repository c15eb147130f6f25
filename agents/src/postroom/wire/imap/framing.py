"""Octets to whole commands: lines joined with their literals. RFC 3501 sections 2.2 and 4.3, RFC 7888.

Room rule: nothing is interpreted here but line ends, literal announcements and the one verb (APPEND) whose
literal may be large. What breaks a limit is refused before it is stored.
"""

import re
from typing import Final

import msgspec

_LITERAL: Final = re.compile(rb"\{(\d++)(\+?)\}\Z")
_UNASKED: Final = re.compile(rb"\{(\d++)\+\}\r?\Z")
_TAIL: Final = 64  # octets that an announcement at a line's end can have
_TAG: Final = re.compile(rb"([!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]{1,64}+) ")
_MESSAGE: Final = re.compile(rb"[^ ]+ APPEND (?:.)", re.IGNORECASE | re.DOTALL)
_MOST_LITERALS: Final = 128


class FramingLimits(msgspec.Struct, frozen=True):
    """Octets. `command`: a command's lines and literals together, the message of APPEND left out."""

    command: int
    literal: int  # one literal
    message: int = 0  # the literal of APPEND
    skip: int = (
        0  # announced without waiting (`{n+}`), too large, and yet read to its end rather than cut off
    )


class Frame(msgspec.Struct, frozen=True):
    """A whole command. Each literal's announcement with its CR LF stays in `text`; its octets are in `literals`."""

    text: bytes
    literals: tuple[bytes, ...] = ()


class WantsLiteral(msgspec.Struct, frozen=True):
    """The client waits for a continuation request."""


class Refused(msgspec.Struct, frozen=True):
    """What came cannot be taken. `fatal`: the peer is out of step, the connection has to end."""

    tag: bytes
    text: bytes
    fatal: bool
    too_big: bool = True


Event = Frame | WantsLiteral | Refused


class Framer:
    """Cuts the stream into commands. `feed` what came, then take events until there are none."""

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
        """Whether octets are held that belong to no finished command."""
        return bool(self._buffer or self._text)

    @property
    def expected(self) -> int:
        """Octets of the literal that is being read and kept, 0 for none."""
        return 0 if self._skipping else max(self._missing, 0)

    @property
    def held(self) -> int:
        """Octets held, for those who watch memory."""
        return len(self._buffer) + len(self._text) + sum(map(len, self._literals))

    def feed(self, octets: bytes) -> None:
        """Take what the connection gave."""
        self._buffer += octets

    def next_event(self) -> Event | None:
        """What to do next, or None until more is fed."""
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
        """One line on its own, without CR LF: a SASL response, or DONE. Longer than `limit`: Refused."""
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
            # A literal that follows without waiting must not be taken for commands.
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
        """Whether the literal announced at the end of what was read is the one message of an APPEND."""
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
        """Read past refused literals up to the end of the command; False while it has not come."""
        while True:
            gone = min(max(self._missing, 0), len(self._buffer))
            self._drop(gone)
            self._missing -= gone
            if self._missing > 0:
                return False
            line = self._skip_line()
            if line is None:
                return False
            follows = _UNASKED.search(line)
            self._missing = int(follows[1]) if follows else -1
            if follows is None or self._missing > self.limits.skip:
                # Too large to be read over, and what follows must not be taken for commands.
                self._skipped_for_good = follows is None
                self._missing = -1
                return True

    def _skip_line(self) -> bytes | None:
        """Drop the rest of a line; its last octets, or None while its end has not come."""
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
