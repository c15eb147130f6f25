"""What an operator sees and does in the queue, on the spool files themselves, whether agents run or not."""

import glob
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from enum import Enum
from typing import Any, Final, NamedTuple

from postroom.queue.sqlite import schema
from postroom.queue.sqlite.owners import owners_beside
from postroom.queue.sqlite.reader import RETRY_NOW
from postroom.queue.sqlite.rows import StoredContent

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


class Change(Enum):
    """What can be done to messages."""

    RETRY = "retry"
    HOLD = "hold"
    RELEASE = "release"
    DELETE = "delete"


class Selection(NamedTuple):
    """Which messages; what is empty does not narrow. Addresses and destinations may hold `*`."""

    ids: tuple[str, ...] = ()
    sender: str | None = None  # "" is the null sender
    recipient: str = ""
    destination: str = ""


class QueueRow(NamedTuple):
    """One recipient. Times are seconds since 1970; `due` None: held."""

    number: int
    address: str
    original: str
    hop: str
    destination: str
    due: float | None
    claimed: bool
    attempts: int
    tried: float
    host: str
    status: str
    reply: str


class QueueEntry(NamedTuple):
    """One message with the recipients that are left."""

    spool: str
    seq: int
    id: str
    arrived: float
    sender: str
    origin: str
    size: int
    message_id: str
    client: str
    account: str
    rows: tuple[QueueRow, ...]

    def state(self, now: float) -> str:
        """active, incoming, deferred or hold, in the words of Postfix's queues."""
        if any(row.claimed and row.due is not None and row.due > now for row in self.rows):
            return "active"
        if all(row.due is None for row in self.rows):
            return "hold"
        return "deferred" if any(row.reply for row in self.rows) else "incoming"


def spool_files(root: str) -> list[str]:
    """All spools below a folder such as /var/lib/postroom/spool."""
    return sorted(glob.glob(f"{glob.escape(root)}/*/*.db"))


def entries(paths: Sequence[str], selection: Selection) -> Iterator[QueueEntry]:
    """The messages selected, the oldest of each spool first. Raises sqlite3.Error."""
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
                yield QueueEntry._make((path, *row, tuple(map(QueueRow._make, recipients))))


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
    """Only `*` is special."""
    return text.replace("[", "[[]").replace("?", "[?]") if "*" in text else text


def change(entry_batch: Sequence[QueueEntry], what: Change, now: float) -> int:
    """Do it to messages of one spool; the number of recipients it was done to.

    What a relay works on at this moment is left alone. Raises sqlite3.Error, OSError.
    """
    path = entry_batch[0].spool
    files: list[str] = []
    count = 0
    turn = schema.Turn(path)
    with (
        closing(turn),
        closing(schema.connect(path, durable=True)) as database,
        schema.transaction(database, turn),
    ):
        database.create_function("lives", 1, owners_beside(path).alive)
        for entry in entry_batch:
            assert entry.spool == path
            statement = f"{_CHANGES[what.value]} AND message = :seq"
            count += database.execute(statement, {"now": now, "seq": entry.seq}).rowcount
            files += _finished(database, entry.seq) if what is Change.DELETE else []
    for name in files:
        with suppress(FileNotFoundError):
            os.unlink(f"{os.path.dirname(path)}/{name}")
    return count


def _finished(database: sqlite3.Connection, seq: int) -> list[str]:
    row = database.execute(
        "DELETE FROM message WHERE seq = ? AND NOT EXISTS (SELECT 1 FROM recipient WHERE message = seq)"
        " RETURNING body_file",
        (seq,),
    ).fetchone()
    return [row[0]] if row is not None and row[0] else []


def content(entry: QueueEntry) -> StoredContent:
    """The message itself. Raises LookupError when it is gone, sqlite3.Error."""
    with closing(schema.connect(entry.spool, durable=True)) as database:
        row = database.execute(
            "SELECT head, size, body, body_file, body_start FROM message WHERE seq = ? AND id = ?",
            (entry.seq, entry.id),
        ).fetchone()
    if row is None:
        raise LookupError("message is gone")
    head, size, body, name, start = row
    file = f"{os.path.dirname(entry.spool)}/{name}" if name else ""
    return StoredContent(head, size, body or b"", file, start)
