"""Checks a message's octets before they are sent: lines end with CR LF, and there is no NUL. RFC 5321 section 2.3.8.

Sending a bare CR or LF would be one half of an SMTP smuggling attack.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

_ALONE: Final = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class LineCheck:
    """Checks a message in pieces of any size."""

    __slots__ = ("_cr", "_last_cr", "_lf", "_nul", "_pairs", "ascii")

    def __init__(self) -> None:
        self._cr = self._lf = self._pairs = 0
        self._last_cr = self._nul = False
        self.ascii = True  # no octet above 127 so far

    def update(self, octets: bytes) -> None:
        """Check the next piece."""
        self._cr += octets.count(b"\r")
        self._lf += octets.count(b"\n")
        self._pairs += octets.count(b"\r\n") + (self._last_cr and octets[:1] == b"\n")
        if octets:
            self._last_cr = octets[-1] == 13
        self._nul = self._nul or b"\0" in octets
        self.ascii = self.ascii and octets.isascii()

    @property
    def clean(self) -> bool:
        """Return whether everything so far may be sent unchanged."""
        return self._cr == self._lf == self._pairs and not self._nul


def repaired(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same text with every line end as CR LF and without NUL."""
    held = b""
    for chunk in chunks:
        piece = (held + chunk).replace(b"\0", b"")
        held = b""
        if piece.endswith(b"\r"):  # its LF may come in the next piece
            piece, held = piece[:-1], b"\r"
        if piece:
            yield _ALONE.sub(b"\r\n", piece)
    if held:
        yield b"\r\n"
