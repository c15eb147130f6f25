"""News about accounts, from process to process: the engine that commits a change tells those that watch the account.

Every watching process has a datagram socket in one folder. A datagram holds an account id and is only there to wake
the watcher: the kernel drops it when about ten (net.unix.max_dgram_qlen) are unread, whatever the size of the buffers.
So the folder also holds a table of marks, one slot per hash of an account id. Before an engine sends its datagrams it
writes a mark that was never used before into the account's slot. A watcher that has read as many datagrams in one go
as its queue holds may have lost some; it compares the slots of all accounts that it watches with what it saw last. A
datagram that was dropped met a full queue, which the watcher read afterwards, so it finds the mark: nothing is lost.

A sender has a socket for each watcher. With one socket for all, a watcher that does not read would use up the
sender's buffer, and datagrams to watchers with empty queues would be dropped.

Two accounts in one slot cost a look in vain. The table is read and written with pread and pwrite, since a mapped file
on a full /run would kill the process.
"""

import asyncio
import contextlib
import os
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Final, Protocol

MAX_ACCOUNT: Final = 128
COARSE_NS: Final = 100_000_000  # longer than a tick of any file system's clock
MARKS: Final = "marks"
SLOTS: Final = 8192
_MARK: Final = struct.Struct("=Q")
_LONGEST: Final = b"x" * 64  # octets of an account id
_MOST_AT_ONCE: Final = 1000  # datagrams, before other callbacks of the event loop have their turn
Callback = Callable[[], None]


class Notices(Protocol):
    """Tells every process that watches an account about a change; never blocks, never fails."""

    def send(self, account_id: str) -> None:
        """Announce a change that is on disk."""

    def watch(self, account_id: str, callback: Callback) -> None:
        """Call back after changes. Raises OSError."""

    def unwatch(self, account_id: str, callback: Callback) -> None:
        """End a watch."""

    def close(self) -> None:
        """End all watches."""


class NoNotices:
    """Notices for tools that neither send nor receive any."""

    def send(self, account_id: str) -> None:
        """Do nothing."""

    def watch(self, account_id: str, callback: Callback) -> None:
        """Do nothing."""

    def unwatch(self, account_id: str, callback: Callback) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class News:
    """Both sides of one process. Nothing is opened before the first call."""

    def __init__(self, directory: str) -> None:
        self._sender = _Sender(directory)
        self._watcher = _Watcher(directory)

    def send(self, account_id: str) -> None:
        """Mark the account as changed and wake all watching processes. Never blocks and never fails."""
        self._sender.send(account_id)

    def watch(self, account_id: str, callback: Callback) -> None:
        """Call back, in the event loop, when something has changed in the account. Raises OSError."""
        self._watcher.watch(account_id, callback)

    def unwatch(self, account_id: str, callback: Callback) -> None:
        """Forget the callback; idempotent."""
        self._watcher.unwatch(account_id, callback)

    def close(self) -> None:
        """Close the socket and remove its name."""
        self._watcher.close()
        self._sender.close()


class _Sender:
    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._changed = 0  # when the folder last changed, nanoseconds
        self._sockets: dict[str, socket.socket] = {}  # connected, by the watcher's path
        self._table = -1
        self._first = int.from_bytes(os.urandom(5), "big") << 24
        self._marks = count(1)  # after 2**24 of them the next process's range could begin, which is as good

    def send(self, account_id: str) -> None:
        with contextlib.suppress(OSError):  # a full /run: datagrams still go out
            self._mark(account_id)
        try:
            watchers = self._watching()
        except OSError:
            return
        octets = account_id.encode()
        for watcher in watchers:
            with contextlib.suppress(OSError):
                watcher.send(octets)

    def close(self) -> None:
        for watcher in self._sockets.values():
            watcher.close()
        self._sockets.clear()
        self._changed = 0
        if self._table >= 0:
            os.close(self._table)
            self._table = -1

    def _mark(self, account_id: str) -> None:
        if self._table < 0:
            self._table = _open_table(self._directory)
        mark = _MARK.pack((self._first + next(self._marks)) & (1 << 64) - 1)
        os.pwrite(self._table, mark, _slot(account_id) * _MARK.size)

    def _watching(self) -> Iterable[socket.socket]:
        """Return sockets to all watchers in the folder, which is read again when it has changed."""
        changed = os.stat(self._directory).st_mtime_ns
        if changed != self._changed:
            paths = {
                f"{self._directory}/{name}" for name in os.listdir(self._directory) if name.endswith(".sock")
            }
            for path in self._sockets.keys() - paths:
                self._sockets.pop(path).close()
            for path in paths - self._sockets.keys():
                with contextlib.suppress(OSError):
                    self._sockets[path] = _connected(path)
            # A folder may change twice within one tick of its clock
            self._changed = changed if time.time_ns() - changed > COARSE_NS else 0
        return self._sockets.values()


def _connected(path: str) -> socket.socket:
    """Return a socket whose datagrams go to a watcher. Raises OSError."""
    watcher = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        watcher.setblocking(False)
        watcher.connect(path)
    except OSError:
        watcher.close()
        raise
    return watcher


class _Watcher:
    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._path: Path | None = None
        self._socket: socket.socket | None = None
        self._table = -1
        self._callbacks: dict[str, set[Callback]] = {}
        self._seen: dict[str, bytes] = {}
        self._queue_length = 1

    def watch(self, account_id: str, callback: Callback) -> None:
        if self._socket is None:
            self._open()
        callbacks = self._callbacks.get(account_id)
        if callbacks is None:
            callbacks = self._callbacks[account_id] = set()
            self._seen[account_id] = self._mark(account_id)
        callbacks.add(callback)

    def unwatch(self, account_id: str, callback: Callback) -> None:
        callbacks = self._callbacks.get(account_id)
        if callbacks:
            callbacks.discard(callback)
            if not callbacks:
                del self._callbacks[account_id], self._seen[account_id]

    def close(self) -> None:
        if self._socket is not None and self._path is not None:
            with contextlib.suppress(RuntimeError):  # the event loop is closed already
                asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._path.unlink(missing_ok=True)
            os.close(self._table)
            self._socket, self._table = None, -1
        self._callbacks.clear()
        self._seen.clear()

    def _open(self) -> None:
        table = _open_table(self._directory)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            path = Path(self._directory) / f"{os.getpid()}-{os.urandom(4).hex()}.sock"
            _sweep(path.parent)
            listening.setblocking(False)
            listening.bind(str(path))
            os.chmod(path, 0o660)
            asyncio.get_running_loop().add_reader(listening, self._hear)
        except BaseException:
            listening.close()
            os.close(table)
            raise
        self._queue_length = _queue_length(listening, str(path))
        self._socket, self._table, self._path = listening, table, path

    def _hear(self) -> None:
        if self._socket is None:
            return
        heard: set[str] = set()
        datagrams = 0
        with contextlib.suppress(OSError):
            while datagrams < _MOST_AT_ONCE:
                heard.add(self._socket.recv(MAX_ACCOUNT).decode("ascii", "replace"))
                datagrams += 1
        if datagrams >= self._queue_length:  # some may have been dropped
            heard |= self._marked_anew()
        for account_id in heard:
            callbacks = self._callbacks.get(account_id)
            if callbacks:
                self._seen[account_id] = self._mark(account_id)
                for callback in tuple(callbacks):
                    callback()

    def _mark(self, account_id: str) -> bytes:
        """Return the account's mark, which is empty when it cannot be read."""
        with contextlib.suppress(OSError):
            return os.pread(self._table, _MARK.size, _slot(account_id) * _MARK.size)
        return b""

    def _marked_anew(self) -> set[str]:
        """Return the accounts whose marks have changed; all, when the marks cannot be read."""
        try:
            marks = os.pread(self._table, SLOTS * _MARK.size, 0)
        except OSError:
            return set(self._callbacks)
        return {account for account, seen in self._seen.items() if _mark_in(marks, account) != seen}


def _mark_in(marks: bytes, account_id: str) -> bytes:
    offset = _slot(account_id) * _MARK.size
    return marks[offset : offset + _MARK.size]


def _slot(account_id: str) -> int:
    return zlib.crc32(account_id.encode()) % SLOTS


def _open_table(directory: str) -> int:
    """Open the table of marks, and make it when it is not there. Raises OSError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    table = os.open(os.path.join(directory, MARKS), flags, 0o660)
    with contextlib.suppress(PermissionError):  # another agent's user has made it, with this mode
        os.fchmod(table, 0o660)
    return table


def _queue_length(listening: socket.socket, path: str) -> int:
    """Return how many datagrams the socket holds, which is tried out: services cannot read the kernel's settings."""
    length = 0
    with contextlib.suppress(OSError), contextlib.closing(_connected(path)) as probe:
        while length < _MOST_AT_ONCE:
            probe.send(_LONGEST)
            length += 1
    with contextlib.suppress(OSError):
        while listening.recv(MAX_ACCOUNT):
            pass
    return max(length, 1)


def _sweep(directory: Path) -> None:
    """Remove the sockets of watchers that died without doing so: every datagram to them would cost a call."""
    for path in directory.glob("*.sock"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
