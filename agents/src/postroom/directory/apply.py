"""Put a document in force: write one new file under the old name, or change nothing."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from postroom.contracts.errors import Unavailable
from postroom.directory.database import read_records, write_new
from postroom.directory.plan import Plan, plan
from postroom.directory.schema import Document
from postroom.runtime.files import sync_directory


def compare(path: str | Path, wanted: Document) -> Plan:
    """Return what `apply` would do. Raises Unavailable if the present directory cannot be read."""
    return plan(read_records(path), wanted)


def apply(path: str | Path, wanted: Document) -> Plan:
    """Make the document the directory. Without changes, the file is not touched.

    The new file is on disk under its name when this returns; readers see the old or the new one, never a part.
    Raises Unavailable if the present one cannot be read or the new one cannot be written.
    """
    path = Path(path)
    try:
        with _alone(path.parent):
            found = plan(read_records(path), wanted)
            if found.changes or not path.exists():
                _replace(path, found.document)
            return found
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"directory {path}: {error}") from error


def _replace(path: Path, document: Document) -> None:
    folder = os.stat(path.parent)
    fresh = path.with_name(f".{path.name}.new")
    with suppress(FileNotFoundError):
        fresh.unlink()  # left by a killed run; we hold the lock, so nobody writes it now
    group = folder.st_gid if os.geteuid() == 0 else None
    try:
        write_new(fresh, document, group)
        os.replace(fresh, path)
    except BaseException:
        with suppress(FileNotFoundError):
            fresh.unlink()
        raise
    sync_directory(path.parent)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Admit one writer at a time, by a lock on the folder itself."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
