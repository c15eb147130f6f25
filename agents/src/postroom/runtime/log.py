"""The log: journald's native datagrams with fields on a host, plain lines on stderr elsewhere.

One event is one line: control characters in values are escaped. When a client causes more than 20 lines in a second,
further lines are only counted, and the count is logged once. Source: systemd's journal native protocol.
"""

import os
import re
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping

LEVELS: Mapping[str, int] = {"debug": 7, "info": 6, "warning": 4, "error": 3}
LINES_PER_SECOND = 20
FEWEST_LINES = 5  # the share of one of many workers, so that a busy client's actions stay visible
JOURNAL = "/run/systemd/journal/socket"
FACILITY_MAIL = "2"
MAX_TEXT = 4096
MAX_CLIENTS = 4096

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_FIELD = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


def harmless(text: str) -> str:
    """Return the text as one line without control characters."""
    return _UNSAFE.sub(lambda found: f"\\x{ord(found[0]):02x}", text[:MAX_TEXT])


def share_of_lines(workers: int) -> int:
    """Return how many lines per second and client each of so many workers may write."""
    return max(FEWEST_LINES, LINES_PER_SECOND // workers)


class Log:
    """Writes the events of one agent. Field names are in upper case, such as QUEUE_ID, because journald requires it."""

    def __init__(
        self,
        name: str,
        level: str = "info",
        steady: Callable[[], float] = time.monotonic,
        lines_per_second: int = LINES_PER_SECOND,
    ) -> None:
        self.name = name
        self.level = LEVELS[level]
        self._steady = steady
        self._most = lines_per_second
        self._second = 0
        self._counts: dict[str, int] = {}
        self._journal = _journal_socket()

    def debug(self, text: str, *, client: str = "", **fields: str) -> None:
        """Log an event for developers; off by default."""
        self._write(7, text, client, fields)

    def info(self, text: str, *, client: str = "", **fields: str) -> None:
        """Log what happened to mail."""
        self._write(6, text, client, fields)

    def warning(self, text: str, *, client: str = "", **fields: str) -> None:
        """Log what an operator should know."""
        self._write(4, text, client, fields)

    def error(self, text: str, *, client: str = "", **fields: str) -> None:
        """Log what needs an operator."""
        self._write(3, text, client, fields)

    def enabled(self, level: str) -> bool:
        """Return whether events of the level are written. Check this before costly formatting."""
        return LEVELS[level] <= self.level

    def _write(self, level: int, text: str, client: str, fields: Mapping[str, str]) -> None:
        if level > self.level or (client and not self._within_budget(client)):
            return
        if client:
            fields = {"CLIENT": client, **fields}
        self._emit(level, harmless(text), fields)

    def _within_budget(self, client: str) -> bool:
        second = int(self._steady())
        if second != self._second:
            silenced = {who: count - self._most for who, count in self._counts.items() if count > self._most}
            self._second, self._counts = second, {}
            for who, count in silenced.items():
                self._emit(
                    4,
                    harmless(f"client={who}: {count} more lines within a second not logged"),
                    {"CLIENT": who},
                )
        if client not in self._counts and len(self._counts) >= MAX_CLIENTS:
            return False
        count = self._counts[client] = self._counts.get(client, 0) + 1
        return count <= self._most

    def _emit(self, level: int, text: str, fields: Mapping[str, str]) -> None:
        if self._journal is None:
            sys.stderr.write(f"postroom-{self.name}[{os.getpid()}]: {text}\n")
            return
        try:
            self._journal.send(_datagram(self.name, level, text, fields))
        except OSError:  # journald is restarting: write the line to stderr instead
            sys.stderr.write(f"<{level}>{text}\n")


def _journal_socket() -> socket.socket | None:
    if "JOURNAL_STREAM" not in os.environ:
        return None
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        journal.connect(JOURNAL)
    except OSError:
        journal.close()
        return None
    return journal


def _datagram(name: str, level: int, text: str, fields: Mapping[str, str]) -> bytes:
    lines = [
        f"MESSAGE={text}\nPRIORITY={level}\nSYSLOG_IDENTIFIER=postroom-{name}\nSYSLOG_FACILITY={FACILITY_MAIL}\n".encode()
    ]
    for field, value in fields.items():
        if not _FIELD.fullmatch(field):
            continue
        octets = value.encode("utf-8", "replace")[:MAX_TEXT]
        if b"\n" in octets:
            lines.append(field.encode() + b"\n" + struct.pack("<Q", len(octets)) + octets + b"\n")
        else:
            lines.append(field.encode() + b"=" + octets + b"\n")
    return b"".join(lines)
