"""News about accounts, from process to process: who changed a mailbox tells those who watch it.

One datagram socket per watching process in one folder; a datagram is an account id. News may be lost when a
watcher is swamped or dead: it is a hint to look, never the news itself.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

MAX_ACCOUNT = 128
COARSE_NS = 100_000_000  # longer than a tick of any file system's clock
Callback = Callable[[], None]


class Notices:
    """The teller. Never blocks and never fails."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._changed = 0  # when the folder changed last, nanoseconds
        self._paths: tuple[str, ...] = ()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def send(self, account: str) -> None:
        """Tell every watching process that something changed in this account."""
        try:
            paths = self._watching()
        except OSError:
            return
        for path in paths:
            with contextlib.suppress(OSError):
                self._socket.sendto(account.encode(), path)

    def _watching(self) -> tuple[str, ...]:
        """Sockets in the folder, which is read again when it has changed."""
        changed = os.stat(self._directory).st_mtime_ns
        if changed != self._changed:
            names = os.listdir(self._directory)
            self._paths = tuple(f"{self._directory}/{name}" for name in names if name.endswith(".sock"))
            # A folder may change twice within one tick of its clock
            self._changed = changed if time.time_ns() - changed > COARSE_NS else 0
        return self._paths


class NoticeBoard:
    """The watching side of one process."""

    def __init__(self, directory: str, name: str) -> None:
        self._path = Path(directory) / f"{name}.sock"
        self._watchers: dict[str, set[Callback]] = {}
        self._socket: socket.socket | None = None

    async def start(self) -> None:
        """Open the socket. Raises OSError."""
        self._path.unlink(missing_ok=True)
        _sweep(self._path.parent)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        listening.setblocking(False)
        listening.bind(str(self._path))
        os.chmod(self._path, 0o660)
        self._socket = listening
        asyncio.get_running_loop().add_reader(listening, self._hear)

    def subscribe(self, account: str, callback: Callback) -> None:
        """Call back, in the event loop, when something changes in the account."""
        self._watchers.setdefault(account, set()).add(callback)

    def unsubscribe(self, account: str, callback: Callback) -> None:
        """Forget the callback; idempotent."""
        watching = self._watchers.get(account)
        if watching:
            watching.discard(callback)
            if not watching:
                del self._watchers[account]

    def stop(self) -> None:
        """Close and take the socket's name away."""
        if self._socket:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._path.unlink(missing_ok=True)
            self._socket = None

    def _hear(self) -> None:
        assert self._socket is not None
        heard: set[str] = set()
        with contextlib.suppress(OSError):
            for _ in range(1000):
                heard.add(self._socket.recv(MAX_ACCOUNT).decode("ascii", "replace"))
        for account in heard:
            for callback in tuple(self._watchers.get(account, ())):
                callback()


def _sweep(directory: Path) -> None:
    """Take away the sockets of watchers that died without doing so: telling them would cost a call each, for ever."""
    for path in directory.glob("*.sock"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
