"""Message files that are being read piece by piece: another session may expunge such a message meanwhile, and the
reader still gets all of it.
"""

import os
from collections import OrderedDict
from typing import Final, NamedTuple

from postroom.store.blobs.files import Folder

MOST: Final = 3  # of one account; the least recently read one is closed


class OpenFile(NamedTuple):
    """An open file, and the delivery prefix that is served before it."""

    descriptor: int
    prefix: bytes
    size: int  # of the file

    def piece(self, start: int, end: int) -> bytes:
        """Return the octets from `start` to `end` as served, fewer where the file ends. Raises OSError."""
        front = self.prefix[start:end]
        offset, stop = max(start - len(self.prefix), 0), end - len(self.prefix)
        pieces = [front]
        while offset < stop and (octets := os.pread(self.descriptor, stop - offset, offset)):
            pieces.append(octets)
            offset += len(octets)
        return b"".join(pieces)


class OpenFiles:
    """The files of one account that are being read, by the message's key, which is never used again."""

    __slots__ = ("_files",)

    def __init__(self) -> None:
        self._files: OrderedDict[int, OpenFile] = OrderedDict()

    def get(self, key: int) -> OpenFile | None:
        """Return the file, if it is open."""
        found = self._files.get(key)
        if found is not None:
            self._files.move_to_end(key)
        return found

    def open(self, folder: Folder, key: int, name: str, prefix: bytes) -> OpenFile:
        """Open a file and keep it. Raises OSError."""
        descriptor = folder.open(name)
        found = self._files[key] = OpenFile(descriptor, prefix, os.fstat(descriptor).st_size)
        if len(self._files) > MOST:
            os.close(self._files.popitem(last=False)[1].descriptor)
        return found

    def done(self, key: int) -> None:
        """Close a file that has been read to its end."""
        found = self._files.pop(key, None)
        if found is not None:
            os.close(found.descriptor)

    def close(self) -> None:
        """Close all."""
        for key in tuple(self._files):
            self.done(key)
