"""Canonical forms of header and body. RFC 6376 sections 3.4 and 3.7.

Room rule: no loop over lines. A body of any size is processed in chunks; the state between two chunks is a number of
line ends and at most two octets.
"""

import re
from enum import StrEnum
from hashlib import sha256
from typing import Final

from postroom.mail.headers import Field, unfold

_CHUNK: Final = 1 << 16  # fits the processor's cache, and malloc does not ask the kernel for it
_LINE_END: Final = b"\r\n"
_LINE_ENDS: Final = _LINE_END * 4096
_RUNS: Final = (b" " * 16, b" " * 4)
_BACKWARD_LINE_ENDS: Final = re.compile(rb"(?:\n\r)*+")


class Canonicalization(StrEnum):
    """How much a message may change in transit (RFC 6376 section 3.4)."""

    SIMPLE = "simple"
    RELAXED = "relaxed"


def collapsed(text: bytes) -> bytes:
    """Replace every run of spaces and tabs with one space.

    Long runs go first and each further pass halves the rest, so that all passes together are linear.
    """
    text = text.replace(b"\t", b" ")
    if b" " not in text or b"  " not in text:
        return text
    for run in _RUNS:
        text = text.replace(run, b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


def canonical_field(field: Field, form: Canonicalization) -> bytes:
    """Return the canonical form of one header field with its line end (RFC 6376 sections 3.4.1 and 3.4.2)."""
    if form is Canonicalization.SIMPLE:
        return field.raw
    return field.key + b":" + collapsed(unfold(field.body)).strip(b" \r\n") + _LINE_END


class BodyHash:
    """SHA-256 over a canonical body that arrives in pieces (RFC 6376 sections 3.4.3, 3.4.4 and 3.7).

    `length` is the l= tag: only so many canonical octets are hashed. After `digest()`, `size` is the canonical length
    of the whole body.
    """

    __slots__ = ("_hash", "_held", "_left", "_line_ends", "_relaxed", "_something", "size")

    def __init__(self, form: Canonicalization = Canonicalization.RELAXED, length: int | None = None) -> None:
        self._hash = sha256()
        self._relaxed = form is Canonicalization.RELAXED
        self._left = length
        self._held = b""  # white space or CR at the end of the last chunk, whose meaning is still open
        self._line_ends = 0  # line ends that count only if something follows
        self._something = False
        self.size = 0

    def update(self, octets: bytes | bytearray | memoryview) -> None:
        """Take the next octets of the body, with CR LF and without dot-stuffing."""
        view = memoryview(octets)
        for start in range(0, len(view), _CHUNK):
            self._take(self._held + view[start : start + _CHUNK])

    def digest(self) -> bytes:
        """Return the hash of the whole body; no octets may follow."""
        rest = self._held.rstrip(b" \t") if self._relaxed else self._held
        self._held = b""
        if rest:
            self._emit(rest)
        if self._something or not self._relaxed:
            self._feed(_LINE_END)
        return self._hash.digest()

    def _take(self, data: bytes) -> None:
        cut = len(data) - data.endswith(b"\r")
        if self._relaxed:
            cut = len(data[:cut].rstrip(b" \t"))
            held = data[cut:]
            self._held = held if len(held) < 2 else collapsed(held)
            text = collapsed(data[:cut] if held else data)
            if b" " in text:  # base64 has no white space, and searching one octet is much faster than three
                text = text.replace(b" \r\n", _LINE_END)
        else:
            self._held = data[cut:]
            text = data[:cut]
        if text:
            self._emit(text)

    def _emit(self, text: bytes) -> None:
        """Hash text, but hold back the line ends at its end."""
        ends = _trailing_line_ends(text)
        if 2 * ends < len(text):
            for start in range(0, self._line_ends, 4096):
                self._feed(_LINE_ENDS[: 2 * min(4096, self._line_ends - start)])
            self._line_ends = 0
            self._something = True
            self._feed(text[: len(text) - 2 * ends] if ends else text)
        self._line_ends += ends

    def _feed(self, octets: bytes) -> None:
        self.size += len(octets)
        if self._left is not None:
            octets = octets[: self._left]
            self._left -= len(octets)
        self._hash.update(octets)


def _trailing_line_ends(text: bytes) -> int:
    """Count the CR LF pairs at the end."""
    if not text.endswith(_LINE_END):
        return 0
    if not text.endswith(b"\n\r\n"):
        return 1
    tail = text[len(text.rstrip(_LINE_END)) :]
    match = _BACKWARD_LINE_ENDS.match(tail[::-1])
    return len(match[0]) // 2 if match else 0
