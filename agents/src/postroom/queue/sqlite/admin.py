"""The operator's view of the queue, on the spool files themselves, whether agents run or not."""

import glob
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import groupby
from typing import Any, Final

from postroom.contracts.errors import MessageGone, StorageFull, Unavailable
from postroom.contracts.queueadmin import QueueAction, QueuedDelivery, QueueEntry, Selection
from postroom.queue.sqlite import schema
from postroom.queue.sqlite.claiming import RETRY_NOW, Handle
from postroom.queue.sqlite.content import StoredContent
from postroom.queue.sqlite.notices import RelayNotices
from postroom.queue.sqlite.owners import owners_beside
from postroom.queue.sqlite.reserve import no_room

AT_ONCE: Final = 500  # messages changed in one transaction

_IDLE: Final = "(owner IS NULL OR due <= :now AND NOT lives(owner))"  # no relay works on it
_CHANGES: Final = {
    "retry": f"UPDATE recipient SET due = {RETRY_NOW}, owner = NULL"  # noqa: S608
    f" WHERE {_IDLE} AND due IS NOT NULL",
    "hold": f"UPDATE recipient SET due = NULL, owner = NULL WHERE {_IDLE} AND due IS NOT NULL",  # noqa: S608
    "release": "UPDATE recipient SET due = :now WHERE due IS NULL",
    "delete": f"DELETE FROM recipient WHERE {_IDLE}",  # noqa: S608
}


_COLUMNS: Final = "seq, id, arrived, sender, origin, size, message_id, client, account"
_MESSAGES: Final = f"SELECT {_COLUMNS} FROM message WHERE {{}} ORDER BY seq"  # noqa: S608


class SqliteQueueAdmin:
    """Implements contracts.queueadmin.QueueAdmin on all spools below the folder `root`.

    `now` and `steady` are clocks in seconds; relays listen for notices in `run_directory`.
    """

    def __init__(
        self, root: str, run_directory: str, now: Callable[[], float], steady: Callable[[], float]
    ) -> None:
        self._root = root
        self._run_directory = run_directory
        self._now = now
        self._steady = steady

    def entries(self, selection: Selection) -> Iterator[QueueEntry]:
        """Yield the messages selected, the oldest of each spool first. Raises Unavailable."""
        with _unavailable():
            paths = spool_files(self._root)
            if not paths:
                raise Unavailable(f"{self._root}: no spools here (or they may not be read)")
            yield from entries(paths, selection)

    def change(self, entries: Sequence[QueueEntry], what: QueueAction) -> int:
        """Change messages, wake the relays, and return the number of recipients changed. Raises Unavailable."""
        notices = RelayNotices(self._run_directory, self._steady)
        count = 0
        with closing(notices), _unavailable():
            for path, group in groupby(entries, key=lambda entry: entry.location):
                of_spool = list(group)
                for start in range(0, len(of_spool), AT_ONCE):
                    count += change(of_spool[start : start + AT_ONCE], what, self._now())
                notices.send(os.path.basename(path).removesuffix(".db"))
        return count

    def content(self, entry: QueueEntry) -> StoredContent:
        """Return the message itself. Raises MessageGone, Unavailable."""
        with _unavailable():
            return content(entry)


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise (StorageFull if no_room(error) else Unavailable)(str(error)) from error


def spool_files(root: str) -> list[str]:
    """Return all spools below a folder such as /var/lib/postroom/spool."""
    return sorted(glob.glob(f"{glob.escape(root)}/*/*.db"))


def entries(paths: Sequence[str], selection: Selection) -> Iterator[QueueEntry]:
    """Yield the messages selected, the oldest of each spool first. Raises sqlite3.Error."""
    for path in paths:
        try:
            connection = schema.connect(path, durable=True)
        except schema.NotYet:
            continue
        with closing(connection) as database:
            condition, values = _condition(selection)
            found = database.execute(
                _MESSAGES.format(condition),
                values,
            )
            for row in found:
                recipients = database.execute(
                    "SELECT number, address, original, hop, destination, due, owner IS NOT NULL, attempts, tried,"
                    " host, status, reply FROM recipient WHERE message = ? ORDER BY number",
                    (row[0],),
                )
                yield QueueEntry._make(
                    (path, Handle(path, row[0]), *row[1:], tuple(map(QueuedDelivery._make, recipients)))
                )


def _condition(selection: Selection) -> tuple[str, dict[str, Any]]:
    parts, values = ["1"], {}
    for number, identity in enumerate(selection.ids):
        values[f"id{number}"] = identity
    if selection.ids:
        parts.append(f"id IN ({','.join(f':id{number}' for number in range(len(selection.ids)))})")
    if selection.sender is not None:
        parts.append(f"sender {_match(selection.sender)} :sender")
        values["sender"] = _pattern(selection.sender)
    for name, column in (("recipient", "address"), ("destination", "destination")):
        wanted = getattr(selection, name)
        if wanted:
            matches = f"{column} {_match(wanted)} :{name}"
            parts.append(f"EXISTS (SELECT 1 FROM recipient WHERE message = seq AND {matches})")  # noqa: S608
            values[name] = _pattern(wanted)
    return " AND ".join(parts), values


def _match(text: str) -> str:
    return "GLOB" if "*" in text else "="


def _pattern(text: str) -> str:
    """Return a GLOB pattern in which only `*` is special."""
    return text.replace("[", "[[]").replace("?", "[?]") if "*" in text else text


def change(entry_batch: Sequence[QueueEntry], what: QueueAction, now: float) -> int:
    """Change messages of one spool in one transaction; return the number of recipients changed.

    Recipients that a relay is working on are left alone. Raises sqlite3.Error, OSError.
    """
    path = entry_batch[0].location
    files: list[str] = []
    count = 0
    lock = schema.WriteLock(path)
    with (
        closing(lock),
        closing(schema.connect(path, durable=True)) as database,
        schema.transaction(database, lock),
    ):
        database.create_function("lives", 1, owners_beside(path).alive)
        for entry in entry_batch:
            seq = _seq(entry)
            assert entry.location == path
            statement = f"{_CHANGES[what.value]} AND message = :seq"
            count += database.execute(statement, {"now": now, "seq": seq}).rowcount
            files += _finished(database, seq) if what is QueueAction.DELETE else []
    for name in files:
        with suppress(FileNotFoundError):
            os.unlink(f"{os.path.dirname(path)}/{name}")
    return count


def _seq(entry: QueueEntry) -> int:
    assert isinstance(entry.handle, Handle)
    return entry.handle.seq


def _finished(database: sqlite3.Connection, seq: int) -> list[str]:
    row = database.execute(
        "DELETE FROM message WHERE seq = ? AND NOT EXISTS (SELECT 1 FROM recipient WHERE message = seq)"
        " RETURNING body_file",
        (seq,),
    ).fetchone()
    return [row[0]] if row is not None and row[0] else []


def content(entry: QueueEntry) -> StoredContent:
    """Return the message itself. Raises MessageGone, sqlite3.Error."""
    with closing(schema.connect(entry.location, durable=True)) as database:
        row = database.execute(
            "SELECT head, size, body, body_file, body_start FROM message WHERE seq = ? AND id = ?",
            (_seq(entry), entry.id),
        ).fetchone()
    if row is None:
        raise MessageGone("the message was deleted from the queue")
    head, size, body, name, start = row
    file = f"{os.path.dirname(entry.location)}/{name}" if name else ""
    return StoredContent(head, size, body or b"", file, start)
