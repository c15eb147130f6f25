"""Messages that are being received: in memory while small, in a file of the spool when large."""

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, Final

from postroom.contracts.errors import StorageFull, Unavailable
from postroom.queue.sqlite.reserve import no_room
from postroom.queue.sqlite.schema import FILE_MODE

INLINE: Final = 131_072  # octets up to which a body stays in its row
_EMPTY_LINE: Final = b"\r\n\r\n"


def refusal(error: Exception) -> Unavailable:
    """Return the refusal for a message that could not be kept: StorageFull or Unavailable."""
    if no_room(error):
        return StorageFull("spool: no room on the disk")
    return Unavailable(f"spool: {getattr(error, 'strerror', '') or error}")


class SpooledDraft:
    """Holds one message's octets. `prefix` is the path to which the endings of its file's names are added."""

    __slots__ = ("_file", "_memory", "_path", "_prefix", "size")

    def __init__(self, prefix: str) -> None:
        self.size = 0
        self._prefix = prefix
        self._memory = bytearray()
        self._file: BinaryIO | None = None
        self._path = ""

    def write(self, octets: bytes | bytearray | memoryview) -> None:
        """Append octets. Raises Unavailable when the file cannot be made or written: the disk is full, for example."""
        if self._file is None and self.size + len(octets) <= INLINE:
            self._memory += octets
        else:
            self._write_file(octets)
        self.size += len(octets)

    def _write_file(self, octets: bytes | bytearray | memoryview) -> None:
        try:
            if self._file is None:
                self._file = self._open()
                self._file.write(self._memory)
                self._memory = bytearray()
            self._file.write(octets)
        except OSError as error:
            self.discard()
            raise refusal(error) from error

    def _open(self) -> BinaryIO:
        path = f"{self._prefix}.{secrets.token_hex(8)}.draft"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, FILE_MODE)
        self._path = path
        os.fchmod(descriptor, FILE_MODE)
        return open(descriptor, "w+b", buffering=0)

    def discard(self) -> None:
        """Drop the octets and remove the file; idempotent."""
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._path:
            with suppress(FileNotFoundError):
                os.unlink(self._path)
            self._path = ""

    def head(self, limit: int) -> bytes:
        """Return the header block with its empty line, or the first `limit` octets when it does not end before."""
        start = self._beginning(limit)
        if start[:2] == b"\r\n":
            return start[:2]
        end = start.find(_EMPTY_LINE)
        return start if end < 0 else start[: end + 4]

    def _beginning(self, limit: int) -> bytes:
        if self._file is None:
            return bytes(self._memory[:limit])
        return os.pread(self._file.fileno(), limit, 0)

    def body(self, start: int, size: int = 65536) -> Iterator[bytes]:
        """Yield the octets from offset `start`, in pieces."""
        if self._file is None:
            yield from (bytes(self._memory[at : at + size]) for at in range(start, len(self._memory), size))
            return
        descriptor = self._file.fileno()
        while piece := os.pread(descriptor, size, start):
            yield piece
            start += len(piece)

    def inline(self, start: int) -> bytes | None:
        """Return the octets from `start`, or None when they are in a file."""
        return bytes(memoryview(self._memory)[start:]) if self._file is None else None

    def settle(self) -> str:
        """Make the file durable under its final name and return that name; the draft is empty afterwards.

        It blocks, so call it in a thread, and synchronise the directory afterwards. Raises OSError.
        """
        assert self._file is not None
        os.fsync(self._file.fileno())
        final = f"{self._path.removesuffix('.draft')}.body"
        os.rename(self._path, final)
        self._path = ""
        self._file.close()
        self._file = None
        return os.path.basename(final)
