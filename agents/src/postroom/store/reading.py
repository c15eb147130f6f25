"""Reading a mailbox: SELECT, FETCH and what changed. RFC 3501, RFC 7162."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, takewhile
from typing import Final, TypeVar

import msgspec

from postroom.contracts.errors import MailboxError, MessageGone, MessageLost
from postroom.contracts.mailbox import Changes, Detail, Mailbox, Row, Selected
from postroom.mail.dates import EARLIEST, LATEST, clamped
from postroom.mail.flags import SEEN_BIT, flag_set
from postroom.mail.mime import Envelope, Part
from postroom.store import expunged
from postroom.store.database import UID_MASK, Box, Database
from postroom.store.files import MESSAGES
from postroom.store.mailboxes import status_of
from postroom.store.schema import UID_BITS

CHUNK: Final = 500  # UIDs in one statement
SMALL: Final = 1 << 17  # octets of a file that are read in the event loop
FEW: Final = 2000  # messages of a mailbox that is selected there
_ALL: Final = 1 << 40
T = TypeVar("T")
RawRow = tuple[int, int, str, int, int, int]
_ROW: Final = "key, flags, keywords, modseq, internal_date, size"

_detail = msgspec.msgpack.Decoder(tuple[Envelope, Part])


def select_at_once(database: Database, name: str, writable: bool) -> Selected | None:
    """The same for a small mailbox without \\Recent messages to claim; else None."""
    with database.reading():
        box = database.box(name)
        if box.messages > FEW or (writable and box.recent_from < box.uidnext):
            return None
        return _selected(database, box)


def select(database: Database, name: str, writable: bool) -> Selected:
    """A read transaction; a short write one only when there are \\Recent messages to claim."""
    with database.reading():
        box = database.box(name)
        if not (writable and box.recent_from < box.uidnext):
            return _selected(database, box)
    with database.writing():
        selected = _selected(database, database.box(name))
        _claim(database, selected.mailbox.id)
    return selected


def _claim(database: Database, mailbox: int) -> None:
    database.sql.execute("UPDATE mailboxes SET recent_from = uidnext WHERE id = ?", (mailbox,))


def _selected(database: Database, box: Box) -> Selected:
    sql, span = database.sql, (box.first_key, box.last_key)
    uids = expunged.uids(database, box)
    first_unseen = 0
    if box.unseen:
        row = sql.execute(f"SELECT key {_IN_SPAN} AND NOT flags & {SEEN_BIT} LIMIT 1", span).fetchone()
        first_unseen = row[0] & UID_MASK if row else 0
    use, subscribed = sql.execute(
        "SELECT special_use, name IN (SELECT name FROM subscriptions) FROM mailboxes WHERE id = ?", (box.id,)
    ).fetchone()
    return Selected(
        mailbox=Mailbox(box.id, box.name, box.uidvalidity, use, bool(subscribed)),
        status=status_of(database, box),
        uids=uids,
        recent=frozenset(uid for uid in uids if uid >= box.recent_from) if uids else frozenset(),
        first_unseen=first_unseen,
        keywords=tuple(sorted(database.keywords(box.id).values())),
    )


_IN_SPAN: Final = "FROM messages WHERE key BETWEEN ? AND ?"


class _TooMany(Exception):
    """More than can be read in the event loop."""


def changes_at_once(database: Database, mailbox: int, since: int, most: int) -> Changes | None:
    """The same without a claim, when there are only so many of a kind; else None."""
    try:
        with database.reading():
            return _changes(database, database.box_by_id(mailbox), since, most)
    except _TooMany:
        return None


def changes(database: Database, mailbox: int, since: int, writable: bool) -> Changes:
    with database.reading():
        found = _changes(database, database.box_by_id(mailbox), since)
    if writable and found.recent:
        with database.writing():
            found = _changes(database, database.box_by_id(mailbox), since)
            _claim(database, mailbox)
    return found


def _changes(database: Database, box: Box, since: int, most: int = _ALL) -> Changes:
    """Raises _TooMany."""
    if box.modseq <= since:
        return Changes((), (), frozenset(), box.modseq, box.uidnext)
    found = {row[0]: row for row in _few(_added(database, box, since), most)}
    changed = database.sql.execute(
        f"SELECT {_ROW} FROM messages INDEXED BY messages_by_modseq"  # noqa: S608
        " WHERE changed AND modseq > ? AND key BETWEEN ? AND ?",
        (since, box.first_key, box.last_key),
    )
    found.update((row[0], row) for row in _few(changed, most))
    present = None
    gone: tuple[int, ...] = ()
    if not expunged.forgotten(database, box, since):
        gone = tuple(_few(expunged.since(database, box, since), most))
    else:
        present = expunged.uids(database, box)
        _few(present, most)
    rows = tuple(as_row(found[key]) for key in sorted(found))
    recent = frozenset(row.uid for row in rows if row.uid >= box.recent_from)
    words = any(row[2] for row in found.values())
    known = tuple(database.keywords(box.id).values()) if words else ()
    return Changes(rows, gone, recent, box.modseq, box.uidnext, known, present)


def _few(rows: Iterable[T], most: int) -> list[T]:
    """Raises _TooMany."""
    found = list(islice(rows, most + 1))
    if len(found) > most:
        raise _TooMany
    return found


def _added(database: Database, box: Box, since: int) -> Iterator[RawRow]:
    """Messages that came later: the last ones. What stands before one that is not newer came before it."""
    rows = database.sql.execute(
        f"SELECT {_ROW} FROM messages WHERE key BETWEEN ? AND ? ORDER BY key DESC",  # noqa: S608
        (box.first_key, box.last_key),
    )
    return takewhile(lambda row: row[3] > since, rows)


def as_row(row: RawRow) -> Row:
    key, bits, words, modseq, date, size = row
    if not EARLIEST <= date <= LATEST:  # written by a release that took any date
        date = clamped(date)
    return Row(key & UID_MASK, flag_set(bits, words), modseq, date, size)


def select_rows(
    database: Database, columns: str, mailbox: int, uids: Sequence[int] | None, condition: str = ""
) -> Iterator[tuple[int, ...]]:
    """The rows of these UIDs, ascending; `columns` begins with the key. Dense sets are read as one range."""
    base = mailbox << UID_BITS
    query = f"SELECT {columns} FROM messages WHERE key"  # noqa: S608
    if uids is None:
        yield from database.sql.execute(f"{query} BETWEEN ? AND ? {condition}", (base, base | UID_MASK))
        return
    if not uids:
        return
    wanted = uids if len(uids) == 1 or isinstance(uids, range) else sorted(set(uids))
    first, last = wanted[0], wanted[-1]
    if last - first < 4 * len(wanted):
        rows = database.sql.execute(f"{query} BETWEEN ? AND ? {condition}", (base | first, base | last))
        if last - first + 1 == len(wanted):
            yield from rows
        else:
            members = {base | uid for uid in wanted}
            yield from (row for row in rows if row[0] in members)
        return
    for start in range(0, len(wanted), CHUNK):
        keys = [base | uid for uid in wanted[start : start + CHUNK]]
        marks = ",".join("?" * len(keys))
        yield from database.sql.execute(f"{query} IN ({marks}) {condition} ORDER BY key", keys)


def rows(database: Database, mailbox: int, uids: Sequence[int] | None, changed_since: int) -> tuple[Row, ...]:
    condition = f"AND modseq > {int(changed_since)}" if changed_since else ""
    return tuple(map(as_row, select_rows(database, _ROW, mailbox, uids, condition)))  # type: ignore[arg-type]


def details(database: Database, mailbox: int, uids: Sequence[int]) -> tuple[Detail, ...]:
    columns = "key, (SELECT detail FROM contents WHERE id = content)"
    decode = _detail.decode
    found = []
    for key, octets in select_rows(database, columns, mailbox, uids):
        envelope, structure = decode(octets)  # type: ignore[arg-type]
        found.append(Detail(key & UID_MASK, envelope, structure))
    return tuple(found)


def content(database: Database, mailbox: int, uid: int, limit: int | None = None) -> bytes:
    file, prefix, _ = _file(database, mailbox, uid)
    try:
        octets = database.folder.read(file, limit)
    except FileNotFoundError as error:
        raise _no_file(database, mailbox, uid, file) from error
    return prefix + octets if prefix else octets


def piece(database: Database, mailbox: int, uid: int, start: int, end: int) -> bytes:
    file, prefix, _ = _file(database, mailbox, uid)
    front = prefix[start:end]
    first = max(start - len(prefix), 0)
    try:
        return front + database.folder.read(file, end - len(prefix) - first, first)
    except FileNotFoundError as error:
        raise _no_file(database, mailbox, uid, file) from error


def _no_file(database: Database, mailbox: int, uid: int, file: str) -> MailboxError:
    """Expunged between two steps, which is usual; or the row is still there, which is damage."""
    try:
        lost = _file(database, mailbox, uid)[0] == file
        name = database.box_by_id(mailbox).name
    except MailboxError as gone:
        return gone
    if not lost:
        return MessageGone("message is gone")
    return MessageLost(f"mailbox={name!r} uid={uid} file={database.id}/{MESSAGES}/{file} is missing")


def content_at_hand(database: Database, mailbox: int, uid: int) -> bytes | None:
    """The same for a small message that is in the system's cache; None when the disk would have to be waited for."""
    file, prefix, size = _file(database, mailbox, uid)
    octets = database.folder.read_cached(file, size) if size <= SMALL else None
    return None if octets is None else prefix + octets


def head_at_hand(database: Database, mailbox: int, uid: int, octets: int) -> bytes | None:
    """The beginning of a message, when it is in the system's cache."""
    file, prefix, size = _file(database, mailbox, uid)
    whole = size <= octets
    start = database.folder.read_cached(file, size) if whole else database.folder.start_cached(file, octets)
    return None if start is None else prefix + start


def _file(database: Database, mailbox: int, uid: int) -> tuple[str, bytes, int]:
    row: tuple[str, bytes, int] | None = database.sql.execute(
        "SELECT file, prefix, size FROM contents WHERE id = (SELECT content FROM messages WHERE key = ?)",
        (mailbox << UID_BITS | uid,),
    ).fetchone()
    if row is None:
        raise MessageGone("message is gone")
    return row
