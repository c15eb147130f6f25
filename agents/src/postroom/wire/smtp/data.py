"""The end of DATA and dot-stuffing, in pieces of any size. RFC 5321 sections 4.1.1.4 and 4.5.2.

Room rule: only CR LF . CR LF ends a message. Whatever else could look like an end (bare CR, bare LF, NUL around the
dot) is skipped, remembered, and refused at the real end, so that no two readers can disagree on where a message ends.
Nothing is done per line.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final

MAX_LINE: Final = 65536

_END: Final = b"\r\n.\r\n"
_PREFIXES: Final = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")  # prefixes of the end, longest first


class Flaw(Enum):
    """Why a message is refused; the first flaw counts."""

    BARE_CR_OR_LF = "bare CR or LF in the message"
    NUL = "NUL in the message"
    LONG_LINE = "line too long"


class DataScanner:
    """Finds the end of one message and removes the dots that the client added.

    `flaw` is the first flaw found, or None. `finished` says that the end has arrived; `rest` then holds the octets
    after it, which are commands.
    """

    __slots__ = ("_allow_bare", "_held", "_line", "_started", "finished", "flaw", "rest")

    def __init__(self, *, allow_bare: bool = False) -> None:
        """Start a message. `allow_bare`: bare CR and LF are not flaws (the caller repairs them for local programs)."""
        self._held = b"\r\n"  # acts as the line before the first one, since a message may be empty
        self._started = False
        self._line = 0
        self._allow_bare = allow_bare
        self.flaw: Flaw | None = None
        self.finished = False
        self.rest = b""

    def feed(self, octets: bytes) -> bytes:
        """Return what the next piece adds to the message."""
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
        """Jump from one line end to the last one within the limit, without looking at each line."""
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
    """Add dots to a piece of a message where a line begins with one.

    `at_line_start`: the piece begins a line. Never cut between CR and LF. If a piece ends with CR LF, pass
    at_line_start=True with the next one.
    """
    if b"\r\n." in piece:
        piece = piece.replace(b"\r\n.", b"\r\n..")
    return b"." + piece if at_line_start and piece.startswith(b".") else piece


def repaired(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same octets with CR LF for every line end, including bare CR and bare LF."""
    held = b""
    for piece in pieces:
        text = held + piece
        held = b"\r" if text.endswith(b"\r") else b""
        if held:
            text = text[:-1]
        yield text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    if held:
        yield b"\r\n"
