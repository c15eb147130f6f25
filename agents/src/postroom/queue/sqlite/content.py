"""The octets of a message in the spool: the head in its row, the body in the row or in a file beside the spool."""

import os
from collections.abc import Iterator

from postroom.contracts.errors import Unavailable


class StoredContent:
    """Implements contracts.outbox.Content. A body in a file is read only when it is asked for."""

    __slots__ = ("_body", "_file", "_start", "head", "size")

    def __init__(self, head: bytes, size: int, body: bytes, file: str = "", start: int = 0) -> None:
        """Hold a message. `file`: path of the file that has the body from octet `start`; "" when `body` holds it."""
        self.head = head
        self.size = size
        self._body = body
        self._file = file
        self._start = start

    @property
    def in_memory(self) -> bytes | None:
        """Return the body, or None when it is in a file."""
        return None if self._file else self._body

    def chunks(self, size: int = 65536) -> Iterator[bytes]:
        """Yield the head first, then the body in pieces. Raises Unavailable when the file cannot be read."""
        yield self.head
        if not self._file:
            yield from (self._body[at : at + size] for at in range(0, len(self._body), size))
            return
        try:
            with open(
                os.open(self._file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb", buffering=0
            ) as body:
                body.seek(self._start)
                while piece := body.read(size):
                    yield piece
        except OSError as error:
            raise Unavailable(str(error)) from error
