"""The end of DATA and dot-stuffing, in pieces of any size. RFC 5321 sections 4.1.1.4 and 4.5.2.

Room rule: only CR LF . CR LF ends a message. Whatever else looks like an end to somebody (bare CR, bare LF, NUL
around the dot) is read over, remembered, and refused when the real end has come: so no two readers can disagree
on where a message stops. Nothing is done per line.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final

MAX_LINE: Final = 65536

_END: Final = b"\r\n.\r\n"
_PREFIXES: Final = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")  # beginnings of the end, longest first


class Flaw(Enum):
    """Why a message cannot be taken; the first one found counts."""

    BARE_CR_OR_LF = "bare CR or LF in the message"
    NUL = "NUL in the message"
    LONG_LINE = "line too long"


class DataScanner:
    """Finds the end of one message and removes the dots that the client added.

    `flaw` is the first flaw found, or None. `finished` tells that the end has come; `rest` then holds the octets
    behind it, which are commands.
    """

    __slots__ = ("_allow_bare", "_held", "_line", "_started", "finished", "flaw", "rest")

    def __init__(self, *, allow_bare: bool = False) -> None:
        """`allow_bare`: bare CR and LF are no flaw (they are repaired by the caller, for local programs)."""
        self._held = b"\r\n"  # the line before the first one: a message may be empty
        self._started = False
        self._line = 0
        self._allow_bare = allow_bare
        self.flaw: Flaw | None = None
        self.finished = False
        self.rest = b""

    def feed(self, octets: bytes) -> bytes:
        """What the next piece adds to the message."""
        buffer = self._held + octets
        end = buffer.find(_END)
        if end >= 0:
            self.finished = True
            self.rest = buffer[end + 5 :]
            self._held = b""
            return self._taken(buffer[: end + 2])
        for prefix in _PREFIXES:
            if buffer.endswith(prefix):
                self._held = prefix
                return self._taken(buffer[: -len(prefix)])
        self._held = b""
        return self._taken(buffer)

    def _taken(self, piece: bytes) -> bytes:
        if not piece:
            return b""
        if self.flaw is None:
            self.flaw = self._flaw(piece)
        if b"\r\n." in piece:
            piece = piece.replace(b"\r\n.", b"\r\n")
        if not self._started:
            self._started = True
            return piece[2:]
        return piece

    def _flaw(self, piece: bytes) -> Flaw | None:
        if not self._allow_bare:
            pairs = piece.count(b"\r\n")
            if piece.count(b"\n") != pairs or piece.count(b"\r") != pairs:
                return Flaw.BARE_CR_OR_LF
        if b"\0" in piece:
            return Flaw.NUL
        return Flaw.LONG_LINE if self._has_long_line(piece) else None

    def _has_long_line(self, piece: bytes) -> bool:
        """Jump from one line end to the last one that is in reach: no look at each line."""
        first = piece.find(b"\n")
        if first < 0:
            self._line += len(piece)
            return self._line > MAX_LINE
        if self._line + first > MAX_LINE:
            return True
        at, size = first, len(piece)
        while size - at - 1 > MAX_LINE:
            further = piece.rfind(b"\n", at + 1, at + MAX_LINE + 2)
            if further < 0:
                return True
            at = further
        self._line = size - 1 - piece.rfind(b"\n", at)
        return False


def stuffed(piece: bytes, at_line_start: bool) -> bytes:
    """A piece of a message with dots added where a line begins with one.

    `at_line_start`: the piece begins a line. Pieces must not be cut between CR and LF, nor behind a CR LF that is
    not told of in the next call.
    """
    if b"\r\n." in piece:
        piece = piece.replace(b"\r\n.", b"\r\n..")
    return b"." + piece if at_line_start and piece.startswith(b".") else piece


def repaired(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same octets with CR LF for every line end, bare CR and bare LF included."""
    held = b""
    for piece in pieces:
        text = held + piece
        held = b"\r" if text.endswith(b"\r") else b""
        if held:
            text = text[:-1]
        yield text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    if held:
        yield b"\r\n"
