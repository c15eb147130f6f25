"""Commands line by line, and the states that allow them. RFC 1939 section 3."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from postroom.wire.lines import LineBuffer

MAX_COMMAND: Final = 253  # RFC 2449 section 4: 255 octets with CR LF
MAX_LINE: Final = 8192  # for AUTH and its responses, RFC 5034 section 4
MAX_NUMBER: Final = 2**32 - 1

_KEYWORD = re.compile(rb"[A-Za-z]{3,4}")
_NUMBER = re.compile(rb"[0-9]{1,10}")
_BARE = re.compile(rb"[\x00\r\n]")


class PeerError(ValueError):
    """The server refuses a line, and the session goes on. The text is fit for a reply."""


class State(Enum):
    """States of RFC 1939 section 3. In UPDATE, which QUIT begins, the client says nothing more."""

    AUTHORIZATION = "before login"
    TRANSACTION = "after login"


ALLOWED: Mapping[State, frozenset[str]] = {
    State.AUTHORIZATION: frozenset({"USER", "PASS", "AUTH", "STLS", "CAPA", "QUIT"}),
    State.TRANSACTION: frozenset(
        {"STAT", "LIST", "RETR", "DELE", "NOOP", "RSET", "TOP", "UIDL", "CAPA", "QUIT"}
    ),
}
VERBS: Final = frozenset().union(*ALLOWED.values())
ARGUMENTS: Mapping[str, tuple[int, int]] = {  # fewest and most
    "USER": (1, 1), "PASS": (1, 1), "AUTH": (0, 2), "STLS": (0, 0), "CAPA": (0, 0), "QUIT": (0, 0),
    "STAT": (0, 0), "LIST": (0, 1), "RETR": (1, 1), "DELE": (1, 1), "NOOP": (0, 0), "RSET": (0, 0),
    "TOP": (2, 2), "UIDL": (0, 1),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Command:
    """A command that its state allows. Arguments are octets as they came."""

    verb: str
    arguments: tuple[bytes, ...] = field(default=(), repr=False)


class CommandParser:
    """Turn octets into commands, one at a time: the state that the next one needs may come from this one."""

    def __init__(self, secured: bool = False) -> None:
        self.state = State.AUTHORIZATION
        self.secured = secured
        self._lines = LineBuffer(b"\r\n", MAX_LINE)

    def feed(self, octets: bytes) -> None:
        """Add octets from the client."""
        self._lines.feed(octets)

    def next_command(self) -> Command | None:
        """Return the next command, or None until more is fed. Raises PeerError, LineTooLong (nothing follows)."""
        line = self._lines.next_line()
        if line is None:
            return None
        keyword, _, rest = line.partition(b" ")
        verb = keyword.decode("ascii", "replace").upper()
        if not _KEYWORD.fullmatch(keyword) or verb not in VERBS:
            raise PeerError("unknown command")
        if _BARE.search(line):
            raise PeerError("stray control character")
        if len(line) > MAX_COMMAND and verb not in {"AUTH", "USER", "PASS"}:
            raise PeerError("line too long")
        if verb not in ALLOWED[self.state]:
            raise PeerError(f"{verb} is not possible {self.state.value}")
        return Command(verb, _arguments(verb, rest))

    def next_response(self) -> bytes | None:
        """Return the next line of a SASL exchange, or None until more is fed. Raises LineTooLong."""
        return self._lines.next_line()

    def logged_in(self) -> None:
        """Enter the TRANSACTION state: the maildrop is open."""
        self.state = State.TRANSACTION

    def tls_started(self) -> None:
        """Forget everything that came in plain text. RFC 2595 section 4."""
        self._lines.clear()
        self.secured = True

    @property
    def pipelined(self) -> int:
        """How many octets the client has sent after the command that is being answered."""
        return self._lines.pending


def _arguments(verb: str, rest: bytes) -> tuple[bytes, ...]:
    fewest, most = ARGUMENTS[verb]
    if verb in {"USER", "PASS"}:  # a password may hold spaces, RFC 1939 section 7
        found: tuple[bytes, ...] = (rest,) if rest else ()
    else:
        found = tuple(rest.split())
    if not fewest <= len(found) <= most:
        raise PeerError(
            f"{verb} takes {fewest} to {most} arguments" if fewest != most else _exactly(verb, most)
        )
    return found


def _exactly(verb: str, count: int) -> str:
    return f"{verb} takes no argument" if count == 0 else f"{verb} takes {count} argument{'s' * (count > 1)}"


def parse_number(octets: bytes) -> int:
    """Parse a message number or a count of lines. Raises PeerError."""
    if not _NUMBER.fullmatch(octets) or (value := int(octets)) > MAX_NUMBER:
        raise PeerError("not a number")
    return value
