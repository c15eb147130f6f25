"""Changing a mailbox: STORE, EXPUNGE, COPY, MOVE. RFC 3501, RFC 4315, RFC 6851, RFC 7162.

One mod-sequence per command; a row that does not change keeps its own.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from postroom.contracts.account import Copied, FlagMode, Row, Stored
from postroom.mail.flags import DELETED_BIT, SEEN_BIT, keywords, system_bits
from postroom.store.sqlite import expunged
from postroom.store.sqlite.database import UID_MASK, Box, Database
from postroom.store.sqlite.reading import as_row, select_rows

_COLUMNS: Final = "key, flags, keywords, modseq, internal_date, size, content"


class FlagChange:
    """The change that STORE asks for."""

    def __init__(self, mode: FlagMode, bits: int, words: Sequence[str]) -> None:
        self.mode = mode
        self.bits = bits
        self.words = words
        self._all = " ".join(sorted(words))
        self._folded = frozenset(word.lower() for word in words)

    @property
    def sets_keywords(self) -> bool:
        return bool(self.words) and self.mode is not FlagMode.REMOVE

    def spelled(self, database: Database, mailbox: int) -> "FlagChange":
        """Return the same change with keywords as the mailbox spells them."""
        return FlagChange(self.mode, self.bits, database.spelled(mailbox, self.words))

    def apply(self, bits: int, words: str) -> tuple[int, str]:
        """Return flags and keywords after the change."""
        if self.mode is FlagMode.REPLACE:
            return self.bits, self._all
        bits = bits | self.bits if self.mode is FlagMode.ADD else bits & ~self.bits
        if not self.words:
            return bits, words
        others = [word for word in words.split(" ") if word and word.lower() not in self._folded]
        return bits, " ".join(sorted([*others, *self.words]) if self.mode is FlagMode.ADD else others)


def store(
    database: Database,
    mailbox: int,
    uids: Sequence[int],
    change: FlagChange,
    unchanged_since: int | None,
) -> Stored:
    held_back: list[int] = []
    now: list[Row] = []
    before: list[int] = []
    updates: list[tuple[int, str, int, int]] = []
    unseen = deleted = 0
    worded = False
    with database.writing():
        database.box_by_id(mailbox)
        modseq = database.next_modseq()
        if change.sets_keywords:
            change = change.spelled(database, mailbox)
        for row in select_rows(database, _COLUMNS, mailbox, uids):
            key, bits, words, row_modseq, date, size, content = row
            if unchanged_since is not None and row_modseq > unchanged_since:
                held_back.append(key & UID_MASK)
                continue
            before.append(row_modseq)
            new_bits, new_words = change.apply(bits, words)  # type: ignore[arg-type]
            worded = worded or bool(new_words)
            if new_bits == bits and new_words == str(words):
                now.append(as_row(row))  # type: ignore[arg-type]
                continue
            updates.append((new_bits, new_words, modseq, key))
            unseen += (bits & SEEN_BIT) - (new_bits & SEEN_BIT)
            deleted += (new_bits & DELETED_BIT) - (bits & DELETED_BIT)
            now.append(as_row((key, new_bits, new_words, modseq, date, size, content)))
        if updates:
            database.sql.executemany(
                "UPDATE messages SET flags = ?, keywords = ?, modseq = ?, changed = 1 WHERE key = ?", updates
            )
            if change.sets_keywords:  # after the change, which may have made room
                database.learn_keywords(mailbox, change.words)
            database.count(
                mailbox, messages=0, unseen=unseen // SEEN_BIT, deleted=deleted // DELETED_BIT, size=0
            )
            database.touch(mailbox, modseq)
        known = tuple(database.keywords(mailbox).values()) if worded else ()
    return Stored(tuple(now), tuple(held_back), tuple(before), known)


def flag_change(mode: FlagMode, flags: frozenset[str]) -> FlagChange:
    return FlagChange(mode, system_bits(flags), keywords(flags))


def expunge(database: Database, mailbox: int, uids: Sequence[int] | None) -> tuple[int, ...]:
    with database.writing():
        box = database.box_by_id(mailbox)
        gone = (
            list(select_rows(database, _COLUMNS, mailbox, uids, f"AND flags & {DELETED_BIT}"))
            if box.deleted
            else []
        )
        if not gone:
            return ()
        unused = database.release(Counter(row[6] for row in gone))
        _remove(database, mailbox, gone, database.next_modseq())
    database.remove_files(unused)
    return tuple(row[0] & UID_MASK for row in gone)


def _remove(database: Database, mailbox: int, rows: list[tuple[int, ...]], modseq: int) -> None:
    """Remove rows and log their UIDs for clients that were away (RFC 7162 section 3.2.6)."""
    database.sql.executemany("DELETE FROM messages WHERE key = ?", [(row[0],) for row in rows])
    expunged.remember(database, mailbox, [row[0] for row in rows], modseq)
    _count(database, mailbox, rows, -1)
    database.touch(mailbox, modseq)


def _count(database: Database, mailbox: int, rows: list[tuple[int, ...]], sign: int) -> None:
    database.count(
        mailbox,
        messages=sign * len(rows),
        unseen=sign * sum(not row[1] & SEEN_BIT for row in rows),
        deleted=sign * sum(bool(row[1] & DELETED_BIT) for row in rows),
        size=sign * sum(row[5] for row in rows),
    )


def copy(database: Database, mailbox: int, uids: Sequence[int], target: str, quota_bytes: int) -> Copied:
    with database.writing():
        database.box_by_id(mailbox)
        box = database.box(target)
        found = list(select_rows(database, _COLUMNS, mailbox, uids))
        if found:
            database.demand_room(sum(row[5] for row in found), quota_bytes)
            references = Counter(row[6] for row in found)
            database.sql.executemany(
                "UPDATE contents SET refs = refs + ? WHERE id = ?",
                [(count, content) for content, count in references.items()],
            )
            _insert(database, box, found, database.next_modseq())
    return _copied(box, found)


def move(database: Database, mailbox: int, uids: Sequence[int], target: str) -> Copied:
    """Move messages; the quota does not matter, and a move within one mailbox gives new UIDs (RFC 6851 section 3.3)."""
    with database.writing():
        database.box_by_id(mailbox)
        box = database.box(target)
        found = list(select_rows(database, _COLUMNS, mailbox, uids))
        if found:
            modseq = database.next_modseq()
            _remove(database, mailbox, found, modseq)
            _insert(database, box, found, modseq)
    return _copied(box, found)


def _insert(database: Database, box: Box, rows: list[tuple[int, ...]], modseq: int) -> None:
    base = box.first_key | box.uidnext
    spelled = {words: " ".join(database.spelled(box.id, words.split(" "))) for words in _keywords(rows)}
    database.sql.executemany(
        "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
        [
            (base + index, bits, spelled[words] if words else "", modseq, date, size, content)  # type: ignore[index]
            for index, (_, bits, words, _, date, size, content) in enumerate(rows)
        ],
    )
    if spelled:
        database.learn_keywords(box.id, " ".join(spelled.values()).split(" "))
    _count(database, box.id, rows, 1)
    take_uids(database, box.id, len(rows), modseq)


def _keywords(rows: list[tuple[int, ...]]) -> set[str]:
    return {str(row[2]) for row in rows if row[2]}


def take_uids(database: Database, mailbox: int, count: int, modseq: int) -> None:
    """Set UIDNEXT and HIGHESTMODSEQ after new messages."""
    database.sql.execute(
        "UPDATE mailboxes SET uidnext = uidnext + ?, modseq = ? WHERE id = ?", (count, modseq, mailbox)
    )


def _copied(box: Box, rows: list[tuple[int, ...]]) -> Copied:
    sources = tuple(row[0] & UID_MASK for row in rows)
    return Copied(box.uidvalidity, sources, tuple(range(box.uidnext, box.uidnext + len(rows))))
