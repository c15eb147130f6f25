"""Reading a mailbox: SELECT, FETCH and what changed. RFC 3501, RFC 7162."""

import errno
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, takewhile
from typing import Final, TypeVar

import msgspec

from postroom.contracts.account import Changes, Content, Detail, Mailbox, Row, Selected, StoredRange
from postroom.contracts.errors import MailboxError, MessageGone, MessageLost
from postroom.mail.dates import EARLIEST, LATEST, clamped
from postroom.mail.flags import SEEN_BIT, SYSTEM_BITS, flag_set
from postroom.mail.mime import Envelope, Part
from postroom.mail.mime_scan import scan
from postroom.store.blobs.files import MESSAGES
from postroom.store.sqlite import expunged
from postroom.store.sqlite.database import UID_MASK, Box, Database
from postroom.store.sqlite.mailboxes import status_of
from postroom.store.sqlite.schema import UID_BITS

CHUNK: Final = 500  # UIDs in one statement
SMALL: Final = 1 << 17  # octets of a file that are read in the event loop
FEW: Final = 2000  # messages of a mailbox that is selected there
_ALL: Final = 1 << 40
_DAMAGE: Final = (
    errno.ENOENT,
    errno.EIO,
    errno.EACCES,
    errno.EPERM,
    errno.ELOOP,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
    errno.EBADMSG,
    errno.EUCLEAN,
)  # of one file, which waiting does not mend
T = TypeVar("T")
RawRow = tuple[int, int, str, int, int, int, int]
_ROW: Final = "key, flags, keywords, modseq, internal_date, size, content"

decode_detail = msgspec.msgpack.Decoder(tuple[Envelope, Part]).decode


def select_at_once(database: Database, name: str, writable: bool) -> Selected | None:
    """Select a small mailbox without \\Recent messages to claim; return None for others."""
    with database.reading():
        box = database.box(name)
        if box.messages > FEW or (writable and box.recent_from < box.uidnext):
            return None
        return _selected(database, box)


def select(database: Database, name: str, writable: bool) -> Selected:
    """Select a mailbox; a write transaction is needed only to claim \\Recent messages."""
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
    """Return the changes without a claim, or None when there are more than `most` of a kind."""
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
    """Return the changes since a modseq. Raises _TooMany."""
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
    """Return the rows as a list. Raises _TooMany."""
    found = list(islice(rows, most + 1))
    if len(found) > most:
        raise _TooMany
    return found


def _added(database: Database, box: Box, since: int) -> Iterator[RawRow]:
    """Yield messages added after a modseq, newest first: before the first older one, all are older."""
    rows = database.sql.execute(
        f"SELECT {_ROW} FROM messages WHERE key BETWEEN ? AND ? ORDER BY key DESC",  # noqa: S608
        (box.first_key, box.last_key),
    )
    return takewhile(lambda row: row[3] > since, rows)


def as_row(row: RawRow) -> Row:
    key, bits, words, modseq, date, size, content = row
    try:
        if not EARLIEST <= date <= LATEST:  # written by a release that accepted any date
            date = clamped(date)
        if size >= 0 <= modseq:
            return Row(key & UID_MASK, flag_set(bits, words), modseq, date, size, content)
    except (TypeError, AttributeError, IndexError):
        pass
    return _as_damaged_row(row)


def _as_damaged_row(row: tuple[object, ...]) -> Row:
    """Read a row with columns of a wrong type, and take defaults for those."""
    key, bits, modseq, date, size, content = (
        value if isinstance(value, int) else 0 for value in (row[0], row[1], row[3], row[4], row[5], row[6])
    )
    words = row[2] if isinstance(row[2], str) else ""
    return Row(
        key & UID_MASK,
        flag_set(bits & SYSTEM_BITS, words),
        max(modseq, 1),
        clamped(date),
        max(size, 0),
        content,
    )


def select_rows(
    database: Database, columns: str, mailbox: int, uids: Sequence[int] | None, condition: str = ""
) -> Iterator[tuple[int, ...]]:
    """Return the rows of these UIDs, ascending; `columns` begins with the key. Dense sets are read as one range."""
    base = mailbox << UID_BITS
    query = f"SELECT {columns} FROM messages WHERE key"  # noqa: S608
    if uids is None:
        return database.sql.execute(f"{query} BETWEEN ? AND ? {condition}", (base, base | UID_MASK))
    if not uids:
        return iter(())
    wanted = uids if len(uids) == 1 or isinstance(uids, range) else sorted(set(uids))
    first, last = wanted[0], wanted[-1]
    if last - first >= 4 * len(wanted):
        return _sparse_rows(database, query, condition, [base | uid for uid in wanted])
    rows = database.sql.execute(f"{query} BETWEEN ? AND ? {condition}", (base | first, base | last))
    if last - first + 1 == len(wanted):
        return rows
    members = {base | uid for uid in wanted}
    return (row for row in rows if row[0] in members)


def _sparse_rows(
    database: Database, query: str, condition: str, wanted: Sequence[int]
) -> Iterator[tuple[int, ...]]:
    for start in range(0, len(wanted), CHUNK):
        keys = wanted[start : start + CHUNK]
        marks = ",".join("?" * len(keys))
        yield from database.sql.execute(f"{query} IN ({marks}) {condition} ORDER BY key", keys)


def rows(database: Database, mailbox: int, uids: Sequence[int] | None, changed_since: int) -> tuple[Row, ...]:
    condition = f"AND modseq > {int(changed_since)}" if changed_since else ""
    return tuple(map(as_row, select_rows(database, _ROW, mailbox, uids, condition)))  # type: ignore[arg-type]


def present_uids(database: Database, mailbox: int, uids: Sequence[int]) -> tuple[int, ...]:
    """Return those of the UIDs that a message has, ascending."""
    return tuple(key & UID_MASK for (key,) in select_rows(database, "key", mailbox, uids))


def details(database: Database, mailbox: int, uids: Sequence[int]) -> tuple[Detail, ...]:
    columns = "key, (SELECT detail FROM contents WHERE id = content)"
    decode = decode_detail
    found = []
    for key, octets in select_rows(database, columns, mailbox, uids):
        uid = key & UID_MASK
        try:
            envelope, structure = decode(octets)  # type: ignore[arg-type]
        except (msgspec.DecodeError, TypeError):
            scanned = _scanned_anew(database, mailbox, uid)
            if scanned is None:
                continue
            envelope, structure = scanned
        found.append(Detail(uid, envelope, structure))
    return tuple(found)


def _scanned_anew(database: Database, mailbox: int, uid: int) -> tuple[Envelope, Part] | None:
    """Scan the file of a message whose row is unreadable; return None when the file cannot be read either."""
    try:
        file, prefix, _ = _file(database, mailbox, uid)
        return scan(database.folder.read(file), base=len(prefix))
    except (MailboxError, OSError):
        return None


def content(database: Database, mailbox: int, uid: int, limit: int | None = None) -> bytes:
    file, prefix, _ = _file(database, mailbox, uid)
    try:
        octets = database.folder.read(file, limit)
    except OSError as error:
        raise _unread(database, mailbox, uid, file, error) from error
    return prefix + octets if prefix else octets


def contents(
    database: Database, mailbox: int, uids: Sequence[int], octets: int, limit: int | None = None
) -> tuple[Content, ...]:
    """Read whole messages, or the first `limit` octets of each, until `octets` are reached; the first always."""
    found: list[Content] = []
    for uid in uids:
        try:
            _, prefix, size = _file(database, mailbox, uid)
            size = size if limit is None else min(size, limit)
            octets -= len(prefix) + size
            if octets < 0 and found:
                break
            found.append(Content(uid, content(database, mailbox, uid, limit)))
        except (MessageGone, MessageLost) as error:
            found.append(Content(uid, error=error))
    return tuple(found)


def stored_range(database: Database, wanted: StoredRange) -> bytes:
    """Read the octets of a stored message. Raises MessageGone, MessageLost."""
    return content(database, wanted.mailbox, wanted.uid)[wanted.start : wanted.end]


def piece(database: Database, mailbox: int, uid: int, start: int, end: int) -> bytes:
    key = mailbox << UID_BITS | uid
    found = database.being_read.get(key)
    if found is None:
        file, prefix, _ = _file(database, mailbox, uid)
        try:
            found = database.being_read.open(database.folder, key, file, prefix)
        except OSError as error:
            raise _unread(database, mailbox, uid, file, error) from error
    try:
        octets = found.piece(start, end)
    except OSError as error:
        database.being_read.done(key)
        name = database.box_by_id(mailbox).name
        raise MessageLost(f"mailbox={name!r} uid={uid} cannot be read: {error.strerror}") from error
    if end >= len(found.prefix) + found.size:
        database.being_read.done(key)
    return octets


def _unread(database: Database, mailbox: int, uid: int, file: str, error: OSError) -> Exception:
    """Return what it means that a file cannot be read: it was expunged between two steps, or it is lost.

    What may go better with the next try, such as too many open files, stays an OSError.
    """
    if error.errno not in _DAMAGE:
        return error
    what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
    try:
        lost = _file(database, mailbox, uid)[0] == file
        name = database.box_by_id(mailbox).name
    except MailboxError as gone:
        return gone
    if not lost:
        return MessageGone("message is gone")
    return MessageLost(f"mailbox={name!r} uid={uid} file={database.id}/{MESSAGES}/{file} {what}")


def content_at_hand(database: Database, mailbox: int, uid: int) -> bytes | None:
    """Return a small message that is in the page cache; None when reading it would wait for the disk."""
    file, prefix, size = _file(database, mailbox, uid)
    octets = database.folder.read_cached(file, size) if size <= SMALL else None
    return None if octets is None else prefix + octets


def head_at_hand(database: Database, mailbox: int, uid: int, octets: int) -> bytes | None:
    """Return the beginning of a message when it is in the page cache, else None."""
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
        _demand_row(database, mailbox, uid)
        raise MessageLost(f"mailbox={database.box_by_id(mailbox).name!r} uid={uid} has no content")
    return row


def _demand_row(database: Database, mailbox: int, uid: int) -> None:
    """Check that the message exists. Raises MessageGone."""
    key = mailbox << UID_BITS | uid
    if database.sql.execute("SELECT 1 FROM messages WHERE key = ?", (key,)).fetchone() is None:
        raise MessageGone("message is gone")
