"""Invariants between the rows of an account, and how violations are repaired."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from postroom.mail.dates import EARLIEST, LATEST, clamped
from postroom.mail.flags import DELETED_BIT, SEEN_BIT
from postroom.mail.mime_scan import scan
from postroom.store.names import INBOX
from postroom.store.sqlite.database import UID_MASK, Database
from postroom.store.sqlite.reading import decode_detail
from postroom.store.sqlite.schema import UID_BITS

Repair = Callable[[Database], None]


class Violation(NamedTuple):
    """A violation; `repair` is called within a write transaction."""

    kind: str
    text: str
    repair: Repair
    repaired: bool = False


def leave(database: Database) -> None:
    """Repair nothing: it cannot be done from here."""


def integrity(database: Database, repair: bool) -> Violation | None:
    """Run SQLite's quick check; with `repair`, rebuild damaged indexes. Return what is wrong, or None."""
    faults = _quick_check(database)
    if not faults:
        return None
    if repair:
        try:
            database.sql.execute("REINDEX")
        except sqlite3.Error:
            return Violation("database damaged", faults, leave)
        if not _quick_check(database):
            return Violation("database damaged", f"index written anew: {faults}", leave, True)
    return Violation("database damaged", faults, leave)


def _quick_check(database: Database) -> str:
    try:
        found = [str(row[0]) for row in database.sql.execute("PRAGMA quick_check(5)")]
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if found == ["ok"] else "; ".join(found)


def problems(database: Database, now: int) -> Iterator[Violation]:
    """Yield all violations, in the order in which they have to be repaired."""
    with database.reading():
        found = [
            *_no_inbox(database, now),
            *_homeless(database),
            *_without_content(database),
            *_references(database),
            *_order(database),
            *_dates(database),
            *_mailboxes(database),
        ]
    yield from found


def _no_inbox(database: Database, now: int) -> Iterator[Violation]:
    if database.sql.execute("SELECT 1 FROM mailboxes WHERE name = ?", (INBOX,)).fetchone() is None:
        yield Violation("no INBOX", "the account has no INBOX", _inbox(now))


def _inbox(now: int) -> Repair:
    def repair(database: Database) -> None:
        _make_mailbox(database, INBOX, now)

    return repair


def _make_mailbox(database: Database, name: str, now: int) -> int:
    database.sql.execute("UPDATE account SET last_uidvalidity = max(last_uidvalidity + 1, ?)", (now,))
    cursor = database.sql.execute(
        "INSERT INTO mailboxes (name, uidvalidity) SELECT ?, last_uidvalidity FROM account", (name,)
    )
    return int(cursor.lastrowid or 0)


def _homeless(database: Database) -> Iterator[Violation]:
    """Yield mailboxes that are missing but have messages; they are made again under a new name."""
    lost = database.sql.execute(
        f"SELECT DISTINCT key >> {UID_BITS} FROM messages WHERE key >> {UID_BITS} NOT IN (SELECT id FROM mailboxes)"  # noqa: S608
    )
    for (mailbox,) in lost.fetchall():
        yield Violation("mailbox missing", f"messages of mailbox number {mailbox}", _give_home(mailbox))


def _give_home(mailbox: int) -> Repair:
    def repair(database: Database) -> None:
        made = _make_mailbox(database, f"Recovered {mailbox}", 0)
        database.sql.execute("UPDATE mailboxes SET id = ? WHERE id = ?", (mailbox, made))
        count_anew(database, mailbox)

    return repair


def _without_content(database: Database) -> Iterator[Violation]:
    lost = database.sql.execute("SELECT key FROM messages WHERE content NOT IN (SELECT id FROM contents)")
    for (key,) in lost.fetchall():
        yield Violation(
            "row without content", f"mailbox {key >> UID_BITS}, UID {key & UID_MASK}", _drop_one(key)
        )


def _references(database: Database) -> Iterator[Violation]:
    wrong = database.sql.execute(
        "SELECT id, file, refs, coalesce(real, 0) FROM contents"
        " LEFT JOIN (SELECT content, count(*) AS real FROM messages GROUP BY content) ON content = contents.id"
        " WHERE refs <> coalesce(real, 0)"
    )
    for content, file, refs, real in wrong.fetchall():
        yield Violation(
            "wrong count of copies", f"{file}: {refs} instead of {real}", _set_references(content, real)
        )


def _set_references(content: int, real: int) -> Repair:
    def repair(database: Database) -> None:
        if real:
            database.sql.execute("UPDATE contents SET refs = ? WHERE id = ?", (real, content))
        else:
            database.sql.execute("DELETE FROM contents WHERE id = ?", (content,))

    return repair


def _order(database: Database) -> Iterator[Violation]:
    """Yield unchanged messages whose modseqs do not rise with their UIDs; they are marked as changed."""
    wrong = database.sql.execute(
        "SELECT key FROM (SELECT key, modseq, changed, max(modseq) OVER (PARTITION BY key >> 32 ORDER BY key"
        " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM messages WHERE NOT changed)"
        " WHERE before > modseq"
    ).fetchall()
    for (key,) in wrong:
        yield Violation(
            "mod-sequence out of order",
            f"mailbox {key >> UID_BITS}, UID {key & UID_MASK}",
            _mark_changed(key),
        )


def _dates(database: Database) -> Iterator[Violation]:
    """Yield dates that cannot be shown, which earlier releases accepted."""
    wrong = database.sql.execute(
        "SELECT key, internal_date FROM messages"
        " WHERE typeof(internal_date) <> 'integer' OR internal_date NOT BETWEEN ? AND ?",
        (EARLIEST, LATEST),
    )
    for key, date in wrong.fetchall():
        yield Violation(
            "date out of range",
            f"mailbox {key >> UID_BITS}, UID {key & UID_MASK}",
            _set_date(key, clamped(date) if isinstance(date, int) else 0),
        )


def _set_date(key: int, date: int) -> Repair:
    def repair(database: Database) -> None:
        database.sql.execute("UPDATE messages SET internal_date = ? WHERE key = ?", (date, key))

    return repair


def _drop_one(key: int) -> Repair:
    return lambda database: drop(database, [key])


def _mark_changed(key: int) -> Repair:
    def repair(database: Database) -> None:
        database.sql.execute("UPDATE messages SET changed = 1 WHERE key = ?", (key,))

    return repair


_TRUE_COUNTS = (
    "SELECT count(*), coalesce(sum(NOT flags & :seen), 0), coalesce(sum((flags & :deleted) <> 0), 0),"
    " coalesce(sum(size), 0), coalesce(max(key), :base) + 1 - :base, coalesce(max(modseq), 1)"
    " FROM messages WHERE key BETWEEN :base AND :last"
)


def _true_counts(database: Database, mailbox: int) -> tuple[int, ...]:
    base = mailbox << UID_BITS
    values = {"seen": SEEN_BIT, "deleted": DELETED_BIT, "base": base, "last": base | UID_MASK}
    counts: tuple[int, ...] = database.sql.execute(_TRUE_COUNTS, values).fetchone()
    gone = database.sql.execute(
        "SELECT coalesce(max(key), :base) + 1 - :base, coalesce(max(modseq), 1) FROM expunged"
        " WHERE key BETWEEN :base AND :last",
        values,
    ).fetchone()
    return (*counts[:4], max(counts[4], gone[0]), max(counts[5], gone[1]))


def _mailboxes(database: Database) -> Iterator[Violation]:
    last = database.sql.execute("SELECT last_uidvalidity FROM account").fetchone()[0]
    known = database.sql.execute(
        "SELECT id, name, messages, unseen, deleted, size, uidnext, modseq, uidvalidity FROM mailboxes"
    ).fetchall()
    for mailbox, name, *stated, valid in known:
        real = _true_counts(database, mailbox)
        if tuple(stated[:4]) != real[:4]:
            yield Violation(
                "wrong counters", f"{name}: {stated[:4]} instead of {list(real[:4])}", _recount(mailbox)
            )
        if stated[4] < real[4]:
            yield Violation("UIDNEXT too low", f"{name}: {stated[4]} instead of {real[4]}", _recount(mailbox))
        if stated[5] < real[5]:
            yield Violation(
                "HIGHESTMODSEQ too low", f"{name}: {stated[5]} instead of {real[5]}", _recount(mailbox)
            )
        if valid > last:
            yield Violation(
                "UIDVALIDITY ahead", f"{name}: {valid} is above {last}", _raise_uidvalidity(valid)
            )


def _recount(mailbox: int) -> Repair:
    return lambda database: count_anew(database, mailbox)


def _raise_uidvalidity(valid: int) -> Repair:
    def repair(database: Database) -> None:
        database.sql.execute("UPDATE account SET last_uidvalidity = max(last_uidvalidity, ?)", (valid,))

    return repair


def count_anew(database: Database, mailbox: int) -> None:
    """Set a mailbox's counters to what its rows say; UIDNEXT and mod-sequence never go down."""
    messages, unseen, deleted, size, uidnext, modseq = _true_counts(database, mailbox)
    database.sql.execute(
        "UPDATE mailboxes SET messages = ?, unseen = ?, deleted = ?, size = ?, uidnext = max(uidnext, ?),"
        " modseq = max(modseq, ?) WHERE id = ?",
        (messages, unseen, deleted, size, uidnext, modseq, mailbox),
    )


def drop(database: Database, keys: list[int]) -> None:
    """Remove messages that cannot be read at all; their UIDs count as expunged."""
    modseq = database.next_modseq()
    for key in keys:
        database.sql.execute("DELETE FROM messages WHERE key = ?", (key,))
        database.sql.execute("INSERT OR REPLACE INTO expunged VALUES (?, ?)", (key, modseq))
        count_anew(database, key >> UID_BITS)


def missing(content: int, name: str) -> Violation:
    """Return the problem of a content without a file."""

    def repair(database: Database) -> None:
        keys = [
            key for (key,) in database.sql.execute("SELECT key FROM messages WHERE content = ?", (content,))
        ]
        drop(database, keys)
        database.sql.execute("DELETE FROM contents WHERE id = ?", (content,))

    return Violation("file missing", f"{name}: the message is lost", repair)


def unreadable_structure(database: Database, content: int) -> bool:
    """Return whether a content's envelope and structure cannot be read."""
    row = database.sql.execute("SELECT detail FROM contents WHERE id = ?", (content,)).fetchone()
    if row is None:  # expunged meanwhile
        return False
    try:
        decode_detail(row[0])
    except (msgspec.DecodeError, TypeError):
        return True
    return False


def altered(content: int, name: str, octets: bytes, text: str, kind: str = "file altered") -> Violation:
    """Return the problem of a file that differs from its row; the file is kept and the row rewritten."""

    def repair(database: Database) -> None:
        prefix = database.sql.execute("SELECT prefix FROM contents WHERE id = ?", (content,)).fetchone()
        if prefix is None:
            return
        detail = msgspec.msgpack.encode(scan(octets, base=len(prefix[0])))
        digest = hashlib.blake2b(octets, digest_size=16).digest()
        database.sql.execute(
            "UPDATE contents SET size = ?, digest = ?, detail = ? WHERE id = ?",
            (len(octets), digest, detail, content),
        )
        size = len(prefix[0]) + len(octets)
        database.sql.execute("UPDATE messages SET size = ? WHERE content = ?", (size, content))
        touched = database.sql.execute(
            f"SELECT DISTINCT key >> {UID_BITS} FROM messages WHERE content = ?",  # noqa: S608
            (content,),
        )
        for (mailbox,) in touched.fetchall():
            count_anew(database, mailbox)

    return Violation(kind, f"{name}: {text}", repair)
