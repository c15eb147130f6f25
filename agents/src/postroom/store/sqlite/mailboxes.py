"""Names, subscriptions and counts. RFC 3501 sections 6.3.3 to 6.3.10, RFC 6154."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from postroom.contracts.account import Mailbox, Quota, Status
from postroom.contracts.errors import (
    MailboxError,
    MailboxExists,
    MailboxNameInvalid,
    MailboxNotDeletable,
    NoSuchMailbox,
    QuotaExceeded,
)
from postroom.store.names import INBOX, SEPARATOR, mailbox_name, parents
from postroom.store.sqlite import expunged
from postroom.store.sqlite.database import UID_MASK, Box, Database
from postroom.store.sqlite.schema import UID_BITS

MOST_NAMES: Final = 10_000  # mailboxes, and subscriptions, of an account; each LIST looks at all of them


def all_mailboxes(database: Database) -> tuple[Mailbox, ...]:
    found = database.sql.execute(
        "SELECT id, mailboxes.name, uidvalidity, special_use, subscriptions.name IS NOT NULL, selectable"
        " FROM mailboxes LEFT JOIN subscriptions USING (name)"
    )
    boxes = [
        Mailbox(id_, name, valid, use, bool(sub), bool(sel)) for id_, name, valid, use, sub, sel in found
    ]
    return tuple(sorted(boxes, key=lambda box: (box.name != INBOX, box.name.split(SEPARATOR))))


def subscriptions(database: Database) -> frozenset[str]:
    return frozenset(name for (name,) in database.sql.execute("SELECT name FROM subscriptions"))


def subscribe(database: Database, name: str, on: bool) -> None:
    name = mailbox_name(name)
    with database.writing():
        if on:
            database.sql.execute("INSERT OR IGNORE INTO subscriptions VALUES (?)", (name,))
            _demand_few(database, "subscriptions")
        else:
            database.sql.execute("DELETE FROM subscriptions WHERE name = ?", (name,))


def create(database: Database, name: str, special_use: str, now: int) -> Mailbox:
    """Make a mailbox; a name that is only a parent becomes one."""
    name = mailbox_name(name.removesuffix(SEPARATOR))
    with database.writing():
        known = _find(database, name)
        if known and known[1]:
            raise MailboxExists("mailbox exists")
        _make(database, name, special_use, now)
        _demand_few(database, "mailboxes")
    return next(box for box in all_mailboxes(database) if box.name == name)


def may_make(database: Database, name: str) -> bool:
    """Return whether there is room for a mailbox of this name and the parents it lacks."""
    count: int = database.sql.execute("SELECT count(*) FROM mailboxes").fetchone()[0]
    return count + 1 + len(parents(name)) <= MOST_NAMES


def make(database: Database, name: str, now: int) -> Box:
    """Make a mailbox that does not exist, and the parents it lacks, within a write transaction."""
    _make(database, name, "", now)
    return database.box(name)


def _make(database: Database, name: str, special_use: str, now: int) -> None:
    known = _find(database, name)
    for parent in parents(name):
        if _find(database, parent) is None:
            _insert(database, parent, "", now)
    if known:  # only a parent so far
        database.sql.execute("DELETE FROM mailboxes WHERE id = ?", (known[0],))
    _insert(database, name, special_use, now)


def _demand_few(database: Database, table: str) -> None:
    """Check the number of names in an account. Raises QuotaExceeded."""
    if database.sql.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > MOST_NAMES:  # noqa: S608
        raise QuotaExceeded(f"too many {table}")


def _find(database: Database, name: str) -> tuple[int, int] | None:
    """Return the id of a name and whether it can be selected, or None."""
    row: tuple[int, int] | None = database.sql.execute(
        "SELECT id, selectable FROM mailboxes WHERE name = ?", (name,)
    ).fetchone()
    return row


def _insert(database: Database, name: str, special_use: str, now: int) -> int:
    """Insert a mailbox whose UIDVALIDITY no mailbox of the account ever had; return its id."""
    last = database.sql.execute("SELECT last_uidvalidity FROM account").fetchone()[0]
    valid = max(now, last + 1)
    database.sql.execute("UPDATE account SET last_uidvalidity = ?", (valid,))
    cursor = database.sql.execute(
        "INSERT INTO mailboxes (name, uidvalidity, special_use) VALUES (?, ?, ?)", (name, valid, special_use)
    )
    return int(cursor.lastrowid or 0)


def _children(database: Database, name: str) -> list[tuple[int, str]]:
    below = name + SEPARATOR
    return database.sql.execute(
        "SELECT id, name FROM mailboxes WHERE substr(name, 1, ?) = ?", (len(below), below)
    ).fetchall()


def delete(database: Database, name: str) -> None:
    name = mailbox_name(name)
    if name == INBOX:
        raise MailboxNotDeletable("INBOX cannot be deleted")
    with database.writing():
        known = _find(database, name)
        if known is None:
            raise NoSuchMailbox("no such mailbox")
        mailbox, selectable = known
        children = _children(database, name)
        if children and not selectable:
            raise MailboxNotDeletable("name has children and no mailbox of its own")
        unused = _empty(database, mailbox)
        database.sql.execute(
            "UPDATE account SET modseq = max(modseq, (SELECT modseq FROM mailboxes WHERE id = ?))", (mailbox,)
        )
        database.sql.execute("DELETE FROM mailboxes WHERE id = ?", (mailbox,))
        if children:
            database.sql.execute(
                "UPDATE mailboxes SET selectable = 0 WHERE id = ?", (_as_parent(database, name),)
            )
    database.remove_files(unused)


def _as_parent(database: Database, name: str) -> int:
    last: int = database.sql.execute("SELECT last_uidvalidity FROM account").fetchone()[0]
    return _insert(database, name, "", last)


def _empty(database: Database, mailbox: int) -> list[str]:
    """Remove all messages and their logs; return the files that are now unused."""
    first, last = mailbox << UID_BITS, mailbox << UID_BITS | UID_MASK
    contents = database.sql.execute("SELECT content FROM messages WHERE key BETWEEN ? AND ?", (first, last))
    unused = database.release(Counter(content for (content,) in contents))
    database.sql.execute("DELETE FROM messages WHERE key BETWEEN ? AND ?", (first, last))
    database.sql.execute("DELETE FROM expunged WHERE key BETWEEN ? AND ?", (first, last))
    database.sql.execute("DELETE FROM keywords WHERE mailbox = ?", (mailbox,))
    return unused


def rename(database: Database, old: str, new: str, now: int) -> None:
    old, new = mailbox_name(old), mailbox_name(new.removesuffix(SEPARATOR))
    with database.writing():
        known = _find(database, old)
        if known is None:
            raise NoSuchMailbox("no such mailbox")
        if _find(database, new):
            raise MailboxExists("mailbox exists")
        if new.startswith(old + SEPARATOR) and old != INBOX:
            raise MailboxNameInvalid("a mailbox cannot become its own child")
        moved = [] if old == INBOX else _children(database, old)
        for child in moved:
            mailbox_name(new + child[1][len(old) :])  # may be too long now
        for parent in parents(new):
            if _find(database, parent) is None:
                _insert(database, parent, "", now)
        if old == INBOX:
            _move_inbox(database, known[0], _insert(database, new, "", now))
            _demand_few(database, "mailboxes")
            return
        names = [(new + child[len(old) :], id_) for id_, child in moved]
        database.sql.executemany("UPDATE mailboxes SET name = ? WHERE id = ?", [(new, known[0]), *names])
        _demand_few(database, "mailboxes")


def _move_inbox(database: Database, inbox: int, target: int) -> None:
    """Move all messages out of INBOX, which stays. RFC 3501 section 6.3.5."""
    modseq = database.next_modseq()
    first, last = inbox << UID_BITS, inbox << UID_BITS | UID_MASK
    sql = database.sql
    sql.execute(
        "INSERT INTO expunged SELECT key, ? FROM messages WHERE key BETWEEN ? AND ?", (modseq, first, last)
    )
    sql.execute(
        "UPDATE messages SET key = key - ? + ?, modseq = ? WHERE key BETWEEN ? AND ?",
        (first, target << UID_BITS, modseq, first, last),
    )
    expunged.prune(database, inbox)
    sql.execute("INSERT INTO keywords SELECT ?, name FROM keywords WHERE mailbox = ?", (target, inbox))
    sql.execute(
        "UPDATE mailboxes SET (uidnext, recent_from, messages, unseen, deleted, size) ="
        " (SELECT uidnext, recent_from, messages, unseen, deleted, size FROM mailboxes WHERE id = ?) WHERE id = ?",
        (inbox, target),
    )
    sql.execute(
        "UPDATE mailboxes SET messages = 0, unseen = 0, deleted = 0, size = 0, recent_from = uidnext WHERE id = ?",
        (inbox,),
    )
    sql.execute("UPDATE mailboxes SET modseq = ? WHERE id IN (?, ?)", (modseq, inbox, target))


def status(database: Database, name: str) -> Status:
    with database.reading():
        return status_of(database, database.box(name))


def statuses(database: Database, names: Sequence[str]) -> dict[str, Status]:
    found = {}
    with database.reading():
        for name in names:
            with suppress(MailboxError):
                found[name] = status_of(database, database.box(name))
    return found


def status_of(database: Database, box: Box) -> Status:
    recent = 0
    if box.recent_from < box.uidnext:
        recent = database.sql.execute(
            "SELECT count(*) FROM messages WHERE key BETWEEN ? AND ?",
            (box.first_key | box.recent_from, box.last_key),
        ).fetchone()[0]
    return Status(
        messages=box.messages,
        recent=recent,
        unseen=box.unseen,
        deleted=box.deleted,
        size=box.size,
        uidnext=box.uidnext,
        uidvalidity=box.uidvalidity,
        highestmodseq=box.modseq,
    )


def quota(database: Database, limit: int) -> Quota:
    octets, messages = database.used()
    return Quota(octets, limit, messages)
