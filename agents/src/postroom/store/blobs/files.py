"""Message files and the folders of accounts.

    accounts/<id>/account.db        rows (and -wal, -shm beside it)
    accounts/<id>/maildrop.lock     exclusive maildrop of POP3
    accounts/<id>/swept             its time: when files without a row were last looked for
    accounts/<id>/messages/<name>   octets as received, immutable

A file is written under its final name and synced, file and folder, before the row that names it is committed:
the row makes it a message, so an unfinished file is only litter. Soon after the commit the file is made read-only. If
the database later loses its row, the mode still shows that it was a message. One flat folder costs one folder sync per
batch. Symbolic links are not followed. Modes are set explicitly, because the umask of a service is 0077; the group
comes from the setgid bit of the accounts folder.
"""

import contextlib
import fcntl
import os
import re
import stat
import threading
import time
from collections.abc import Iterator
from typing import Final

from postroom.contracts.errors import Unavailable

FILE_MODE: Final = 0o660
MESSAGE_MODE: Final = 0o440  # of a file whose row is committed
DATABASE: Final = "account.db"
UNFINISHED: Final = "account.db.new"
MESSAGES: Final = "messages"
MAILDROP_LOCK: Final = "maildrop.lock"

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_umask_switch = threading.Lock()


class SyncFailed(Exception):
    """fsync reported an error: what is on disk is unknown, and the process has to end."""


class Folder:
    """The open `messages` folder of one account."""

    __slots__ = ("_chmod", "descriptor", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._chmod = not _umask_allows()
        self.descriptor = os.open(path, FOLDER)

    def close(self) -> None:
        os.close(self.descriptor)

    def write(self, name: str, octets: bytes) -> None:
        """Write a file and sync it. Raises OSError (nothing is left behind) or SyncFailed."""
        descriptor = os.open(name, _NEW, FILE_MODE, dir_fd=self.descriptor)
        try:
            try:
                if self._chmod:
                    os.fchmod(descriptor, FILE_MODE)
                _write_all(descriptor, octets)
                _sync(descriptor)
            finally:
                os.close(descriptor)
        except OSError:
            self.remove(name)
            raise

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Announce that files without a row are about to be committed. Raises OSError."""
        fcntl.flock(self.descriptor, fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[bool]:
        """Tell whether nobody uses the folder, and keep it so while the context lasts. Raises OSError."""
        alone = _locked(self.descriptor)
        try:
            yield alone
        finally:
            if alone:
                fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def link(self, other: "Folder", name: str, new_name: str) -> None:
        """Give another account's file a second name here. Raises OSError."""
        os.link(
            name, new_name, src_dir_fd=other.descriptor, dst_dir_fd=self.descriptor, follow_symlinks=False
        )

    def read(self, name: str, limit: int | None = None) -> bytes:
        """Return the octets of a file, or the first `limit` of them. Raises OSError."""
        descriptor = os.open(name, _READ, dir_fd=self.descriptor)
        try:
            size = os.fstat(descriptor).st_size
            size = size if limit is None else min(size, limit)
            pieces = []
            while size > 0 and (piece := os.read(descriptor, size)):
                pieces.append(piece)
                size -= len(piece)
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        finally:
            os.close(descriptor)

    def open(self, name: str) -> int:
        """Return a descriptor of a file, for reading. Raises OSError."""
        return os.open(name, _READ, dir_fd=self.descriptor)

    def start_cached(self, name: str, octets: int) -> bytes | None:
        """Return the first octets of a longer file if they are in the page cache, else None."""
        try:
            descriptor = os.open(name, _READ, dir_fd=self.descriptor)
            try:
                buffer = bytearray(octets)
                read = os.preadv(descriptor, [buffer], 0, os.RWF_NOWAIT)
            finally:
                os.close(descriptor)
        except OSError:
            return None
        return bytes(buffer) if read == octets else None

    def read_cached(self, name: str, size: int) -> bytes | None:
        """Return the octets if they are in the page cache; None where reading would wait or fails."""
        try:
            descriptor = os.open(name, _READ, dir_fd=self.descriptor)
            try:
                buffer = bytearray(size + 1)
                read = os.preadv(descriptor, [buffer], 0, os.RWF_NOWAIT)
            finally:
                os.close(descriptor)
        except OSError:
            return None
        return bytes(memoryview(buffer)[:size]) if read == size else None

    def remove(self, name: str) -> None:
        """Remove a file that no row names. If that fails, the file is litter that verify finds."""
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self.descriptor)

    def confirm(self, name: str) -> None:
        """Make a file whose row is committed read-only. Not synced: after a crash, the row still names the file."""
        with contextlib.suppress(OSError):  # expunged already
            descriptor = os.open(name, _READ, dir_fd=self.descriptor)
            try:
                os.fchmod(descriptor, MESSAGE_MODE)
            finally:
                os.close(descriptor)

    def sync(self) -> None:
        """Make new names durable. Raises SyncFailed."""
        _sync(self.descriptor)


def was_message(status: os.stat_result) -> bool:
    """Tell whether a commit has named the file."""
    return stat.S_ISREG(status.st_mode) and not status.st_mode & stat.S_IWUSR


def _umask_allows() -> bool:
    """Tell whether new files get the right mode without fchmod, which saves a system call per message."""
    with contextlib.suppress(OSError), open("/proc/self/status", "rb") as status:
        found = re.search(rb"^Umask:\s*([0-7]+)$", status.read(), re.MULTILINE)
        return found is not None and int(found[1], 8) & FILE_MODE == 0
    return False


def _write_all(descriptor: int, octets: bytes) -> None:
    written = os.write(descriptor, octets)
    while written < len(octets):
        written += os.write(descriptor, memoryview(octets)[written:])


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise SyncFailed(f"fsync: {error.strerror}") from error


def sync_folder(path: str) -> None:
    """Make the names in a folder durable. Raises OSError or SyncFailed."""
    descriptor = os.open(path, FOLDER)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def is_account(path: str) -> bool:
    """Tell whether the account's folder holds a database. Raises Unavailable for a symbolic link."""
    for place in (path, os.path.join(path, DATABASE)):
        try:
            if os.path.islink(place):
                raise Unavailable("a symbolic link in place of an account's file")
            os.lstat(place)
        except FileNotFoundError:
            return False
    return True


def make_account(path: str) -> None:
    """Make the folders of an account that are missing. Raises OSError, SyncFailed."""
    # chmod is no use on folders: it clears the setgid bit, and the sandbox forbids setting that bit.
    with _umask_switch:
        before = os.umask(0o007)
        try:
            for folder in (path, os.path.join(path, MESSAGES)):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folder, 0o770)
        finally:
            os.umask(before)
    sync_folder(path)
    sync_folder(os.path.dirname(path))


@contextlib.contextmanager
def alone(path: str, seconds: float) -> Iterator[None]:
    """Keep other processes and threads out for one account. Raises Unavailable after `seconds`, OSError."""
    descriptor = os.open(path, FOLDER)
    try:
        until = time.monotonic() + seconds
        while not _locked(descriptor):
            if time.monotonic() > until:
                raise Unavailable("another process makes the account and does not end")
            time.sleep(0.005)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def make_file(name: str, folder: int) -> None:
    """Make an empty file with the group's mode, unless it exists."""
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(name, _NEW, FILE_MODE, dir_fd=folder)
        try:
            os.fchmod(descriptor, FILE_MODE)
        finally:
            os.close(descriptor)
