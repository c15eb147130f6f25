"""Check that an account's rows and files agree, and repair them without losing any mail that can be read.

May run beside the agents, except for the salvage of a database that SQLite cannot read. Files without a row are litter
only when they are old: a delivery that is under way has such files too.
"""

import contextlib
import hashlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from typing import Final

from postroom.contracts.errors import Unavailable
from postroom.contracts.storeadmin import Finding, Progress
from postroom.store.blobs import files
from postroom.store.names import account_folder
from postroom.store.sqlite import litter, rows, salvage
from postroom.store.sqlite.database import Database
from postroom.store.sqlite.rows import Violation

_BUSY_SECONDS: Final = 30.0


def accounts(directory: str) -> list[str]:
    """Return the ids of all accounts below a folder, sorted. Raises OSError."""
    return sorted(name for name in os.listdir(directory) if not name.startswith("."))


def verify(directory: str, account_id: str, repair: bool, progress: Progress) -> Iterator[Finding]:
    """Yield all findings of one account, each after it has been repaired where that is wanted."""
    try:
        path = os.path.join(directory, account_folder(account_id))
        if not files.is_account(path):
            there = os.path.isdir(path)
            yield Finding(
                account_id,
                "no database" if there else "no such account",
                "a folder without account.db" if there else f"nothing below {directory} has this name",
            )
            return
        yield from _verify(path, account_id, repair, progress)
    except Unavailable as error:
        yield Finding(account_id, "not usable", str(error))
    except (OSError, sqlite3.Error, files.SyncFailed) as error:
        yield Finding(account_id, "not readable", str(error))


def _verify(path: str, account_id: str, repair: bool, progress: Progress) -> Iterator[Finding]:
    try:
        database = Database(path, int(time.time()), _BUSY_SECONDS)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) or not repair:
            yield Finding(account_id, "database damaged", str(error))
            return
        kept = salvage.rebuild(path, int(time.time()), _BUSY_SECONDS)
        yield Finding(account_id, "database damaged", f"rebuilt, {kept} messages in {salvage.MAILBOX}", True)
        return
    with contextlib.closing(database):
        database.read_damaged_text()
        damage = rows.integrity(database, repair)
        if damage is not None:
            yield Finding(account_id, damage.kind, damage.text, damage.repaired)
            if not damage.repaired:
                return
        found = _files(database, progress)
        problems = [*found.problems, *rows.problems(database, int(time.time()))]
        yield from _dealt_with(database, account_id, problems, repair)
        yield from _litter(database, account_id, found.names, repair)


def _dealt_with(
    database: Database, account_id: str, problems: list[Violation], repair: bool
) -> Iterator[Finding]:
    for problem in problems:
        if repair:
            with database.writing():
                problem.repair(database)
        yield Finding(account_id, problem.kind, problem.text, repair)


class _Files:
    """The names in the folder, and the problems of files that rows name."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.problems: list[Violation] = []


def _files(database: Database, progress: Progress) -> _Files:
    found = _Files()
    found.names = os.listdir(database.folder.descriptor)
    known = database.sql.execute("SELECT id, file, size, digest FROM contents ORDER BY id").fetchall()
    for count, (content, name, size, digest) in enumerate(known):
        progress(count, len(known))
        problem = _look(database, content, name, size, digest)
        if problem is not None:
            found.problems.append(problem)
    progress(len(known), len(known))
    return found


def _look(database: Database, content: int, name: str, size: int, digest: bytes) -> Violation | None:
    try:
        octets = database.folder.read(name)
    except FileNotFoundError:
        # Names are compared as they are read: SQL would not find one that is not valid text.
        row = database.sql.execute("SELECT file FROM contents WHERE id = ?", (content,)).fetchone()
        return rows.missing(content, name) if row == (name,) else None  # expunged meanwhile
    except ValueError:  # a NUL: no file can have this name
        return rows.missing(content, name)
    except OSError as error:
        return Violation("file not readable", f"{name}: {error.strerror}", rows.leave)
    if len(octets) != size:
        return rows.altered(content, name, octets, f"{len(octets)} octets instead of {size}")
    if hashlib.blake2b(octets, digest_size=16).digest() != digest:
        return rows.altered(content, name, octets, "other octets than were written")
    if rows.unreadable_structure(database, content):
        return rows.altered(content, name, octets, "described anew", "structure not readable")
    return None


def _litter(database: Database, account_id: str, names: list[str], repair: bool) -> Iterator[Finding]:
    """Yield files without a row. They are repaired only while nobody delivers, and otherwise only reported."""
    known = _named(database)
    left = [name for name in names if name not in known]
    with database.folder.undisturbed() as alone:
        known = _named(database)
        findings = [
            _leftover(database, account_id, name, repair and alone) for name in left if name not in known
        ]
    yield from filter(None, findings)


def _named(database: Database) -> set[str]:
    return {name for (name,) in database.sql.execute("SELECT file FROM contents")}


def _leftover(database: Database, account_id: str, name: str, repair: bool) -> Finding | None:
    try:
        status = os.stat(name, dir_fd=database.folder.descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return Finding(account_id, "foreign file", f"{name} is no message file")
    if time.time() - status.st_mtime <= litter.AGE:
        return None
    if files.was_message(status):  # mail that came after the backup that the database was restored from
        if repair:
            salvage.rescue(database, name, int(time.time()))
        return Finding(account_id, "mail without a row", f"{name}: belongs into {salvage.MAILBOX}", repair)
    if repair:
        database.folder.remove(name)
    return Finding(account_id, "litter", f"{name}: no message has this file", repair)
