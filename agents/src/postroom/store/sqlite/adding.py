"""New messages: delivery (many in one commit) and APPEND. RFC 2033, RFC 3501 section 6.3.11, RFC 4315.

Order: file, fsync, folder fsync, rows, commit. The write lock of the database is held only for the rows.
"""

import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec

from postroom.contracts.account import Appended, NewMessage, Piece
from postroom.contracts.errors import (
    MailboxNameInvalid,
    MailError,
    RecipientOverQuota,
    TooManyKeywords,
)
from postroom.contracts.store import Copy, Delivery
from postroom.mail.dates import clamped
from postroom.mail.flags import DELETED_BIT, SEEN_BIT, keywords, system_bits
from postroom.mail.ids import is_queue_id, number_of, queue_id
from postroom.mail.mime import Envelope, Part
from postroom.mail.mime_scan import scan, shifted
from postroom.store.blobs.files import Folder, SyncFailed
from postroom.store.names import INBOX, mailbox_name
from postroom.store.sqlite import mailboxes
from postroom.store.sqlite.database import Box, Database, as_refusal
from postroom.store.sqlite.reading import stored_range

_PRUNE_EVERY: Final = 500  # UIDs between two prunings of the delivery log
_LARGE: Final = 1 << 18
_SMALL: Final = 16_384
_encode = msgspec.msgpack.Encoder().encode


class NewFile(NamedTuple):
    """A message's octets, written and synced here but known to no row yet."""

    name: str
    size: int
    digest: bytes
    prefix: bytes
    detail: bytes


class Octets:
    """Content that several deliveries share: scanned and written once, then linked. Safe for several threads."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._lock = threading.Lock()
        self._digest = b""
        self._scanned: tuple[Envelope, Part] | None = None
        self._base = 0
        self._detail = b""
        self._at: tuple[Folder, str] | None = None

    def put(self, folder: Folder, prefix: bytes, name: str) -> NewFile:
        """Write or link the file into this folder. Raises OSError, SyncFailed."""
        with self._lock:
            if not self._digest:
                self._digest = _digest(self.content)
            if not self._linked(folder, name):
                folder.write(name, self.content)
                self._at = folder, name
            return NewFile(name, len(self.content), self._digest, prefix, self._detail_behind(len(prefix)))

    def _linked(self, folder: Folder, name: str) -> bool:
        if self._at is None or self._at[0] is folder:
            return False
        # The other file is gone, closed, on another disk, or has too many names: write it again.
        with suppress(OSError):
            folder.link(*self._at, name)
            return True
        return False

    def _detail_behind(self, prefix: int) -> bytes:
        """Return envelope and structure, encoded, with offsets as served."""
        if self._scanned is None:
            self._scanned = scan(self.content, base=prefix)
        elif self._base != prefix:
            envelope, part = self._scanned
            self._scanned = envelope, shifted(part, prefix - self._base)
        elif self._detail:
            return self._detail
        self._base = prefix
        self._detail = _encode(self._scanned)
        return self._detail


class Job(NamedTuple):
    """A delivery, its content, and the name of its file."""

    delivery: Delivery
    octets: Octets
    name: str  # for the file
    quota_bytes: int  # 0 for no limit


def deliver(database: Database, jobs: Sequence[Job], now: int, remember_since: int) -> list[Exception | None]:
    """Deliver to one account in one commit; return per job None or why it was refused.

    `now` and `remember_since` in seconds since 1970.
    """
    with database.folder.in_use():
        return _deliver(database, jobs, now, remember_since)


def _deliver(
    database: Database, jobs: Sequence[Job], now: int, remember_since: int
) -> list[Exception | None]:
    results: list[Exception | None] = [None] * len(jobs)
    written: dict[int, NewFile] = {}
    try:
        for index, job in enumerate(jobs):
            if len(job.delivery.content) > _LARGE and _refused(database, job, results, index):
                continue
            try:
                written[index] = job.octets.put(database.folder, job.delivery.prefix, job.name)
            except OSError as error:
                results[index] = as_refusal(error)
        if written:
            database.folder.sync()
            _commit(database, jobs, written, results, now, remember_since)
    except SyncFailed:
        raise
    except Exception as error:
        refusal = as_refusal(error)
        if not isinstance(refusal, MailError):
            raise refusal from error
        for index in written:
            results[index] = refusal
    for index, file in written.items():
        if results[index] is None:
            database.unconfirmed.append(file.name)
    database.remove_files([file.name for index, file in written.items() if results[index] is not None])
    return [None if isinstance(result, _SecondCopy) else result for result in results]


class _SecondCopy(Exception):
    """This delivery was stored before, so its new file has to go."""


def _refused(database: Database, job: Job, results: list[Exception | None], index: int) -> bool:
    """Tell whether a large file need not be written at all; small ones are judged by the commit alone."""
    delivery = job.delivery
    if _seen(database, delivery):
        return True
    size = len(delivery.prefix) + len(delivery.content)  # of one copy at least
    if job.quota_bytes and database.used()[0] + size > job.quota_bytes:
        results[index] = RecipientOverQuota("mailbox full")
    return results[index] is not None


def _seen(database: Database, delivery: Delivery) -> bool:
    row = database.sql.execute(
        "SELECT 1 FROM deliveries WHERE queue_id = ? AND recipient = ?",
        (delivery.queue_id, delivery.recipient),
    ).fetchone()
    return row is not None


def _commit(  # noqa: PLR0913, PLR0917
    database: Database,
    jobs: Sequence[Job],
    written: dict[int, NewFile],
    results: list[Exception | None],
    now: int,
    remember_since: int,
) -> None:
    sql = database.sql
    forget = False
    with database.writing():
        for index, file in written.items():
            delivery, quota_bytes = jobs[index].delivery, jobs[index].quota_bytes
            targets, used, modseq = _targets(database, delivery)
            size = len(file.prefix) + file.size
            if quota_bytes and used + size * len(targets) > quota_bytes:
                results[index] = (
                    _SecondCopy() if _seen(database, delivery) else RecipientOverQuota("mailbox full")
                )
                continue
            cursor = sql.execute(
                "INSERT OR IGNORE INTO deliveries VALUES (?, ?, ?)",
                (delivery.queue_id, delivery.recipient, clamped(delivery.arrived)),
            )
            if not cursor.rowcount:
                results[index] = _SecondCopy()
                continue
            content = _insert_content(database, file, len(targets))
            for target in targets:
                box = target.box or mailboxes.make(database, target.name, now)
                flags = _fitting(database, box, target.flags) if target.flags else target.flags
                uid = _insert(database, box, flags, delivery.arrived, size, content, modseq)
                forget |= uid % _PRUNE_EVERY == 0
        if forget:
            sql.execute("DELETE FROM deliveries WHERE time < ?", (remember_since,))


class _Target(NamedTuple):
    """A mailbox that a delivery goes to; without a box it has to be made."""

    name: str
    box: Box | None
    flags: frozenset[str]


def _targets(database: Database, delivery: Delivery) -> tuple[list[_Target], int, int]:
    """Return the mailboxes, each once, the octets used so far, and the next mod-sequence."""
    copies = delivery.copies
    box, used, modseq = database.arrival(_plain_name(copies[0].mailbox))
    if box is not None and len(copies) == 1:
        return [_Target(box.name, box, copies[0].flags)], used, modseq
    found: dict[str, _Target] = {}
    for copy in delivery.copies:
        target = _target(database, copy)
        known = found.get(target.name)
        found[target.name] = target if known is None else target._replace(flags=known.flags | target.flags)
    return list(found.values()), used, modseq


def _target(database: Database, copy: Copy) -> _Target:
    name = _plain_name(copy.mailbox)
    box = database.arrival(name)[0]
    if box is None and not (copy.create and mailboxes.may_make(database, name)):
        name, box = INBOX, database.box(INBOX)
    return _Target(name, box, copy.flags)


def _fitting(database: Database, box: Box, flags: frozenset[str]) -> frozenset[str]:
    """Return the flags without keywords that the mailbox has no room for: they never cause a refusal."""
    words = database.spelled(box.id, keywords(flags))
    try:
        database.learn_keywords(box.id, words)
    except TooManyKeywords:
        known = database.keywords(box.id)
        return flags.difference(word for word in keywords(flags) if word.lower() not in known)
    return flags


def _plain_name(name: str) -> str:
    """Return the name as the store keeps it, INBOX when it is not valid."""
    if name == INBOX:
        return name
    try:
        return mailbox_name(name)
    except MailboxNameInvalid:
        return INBOX


def _digest(content: bytes) -> bytes:
    """Hash a message; small ones in pieces that keep the GIL, since releasing it costs more than hashing them."""
    if len(content) > _SMALL:
        return hashlib.blake2b(content, digest_size=16).digest()
    running = hashlib.blake2b(digest_size=16)
    for start in range(0, len(content), 2047):
        running.update(content[start : start + 2047])
    return running.digest()


def _insert_content(database: Database, file: NewFile, copies: int) -> int:
    """Insert the row of a file that so many messages share; return its id."""
    columns = (file.name, file.size, file.digest, copies, file.prefix, file.detail)
    content = _content_id(file.name)
    try:
        database.sql.execute("INSERT INTO contents VALUES (?, ?, ?, ?, ?, ?, ?)", (content, *columns))
    except sqlite3.IntegrityError:  # another file of the same millisecond has this id, once in a million
        cursor = database.sql.execute(
            "INSERT INTO contents VALUES ((SELECT max(id) FROM contents) + 1, ?, ?, ?, ?, ?, ?)", columns
        )
        content = int(cursor.lastrowid or 0)
    return content


def _content_id(name: str) -> int:
    """Return an id that no content of the account ever had: 43 bits of its file's milliseconds, 20 of its noise.

    Ids that SQLite gives out itself are used again when the newest content has been expunged, but a mail program may
    remember `Row.content_id`.
    """
    number = number_of(name if is_queue_id(name) else queue_id(time.time_ns() // 1_000_000, os.urandom(10)))
    return (number >> 80) % (1 << 43) << 20 | number % (1 << 20)


def _insert(  # noqa: PLR0913, PLR0917
    database: Database,
    box: Box,
    flags: frozenset[str],
    internal_date: int,
    size: int,
    content: int,
    modseq: int,
) -> int:
    """Insert the row of a new message, whose `size` is that of the message as served; return its UID."""
    bits, words = system_bits(flags), keywords(flags)
    if words:
        words = database.spelled(box.id, words)
        database.learn_keywords(box.id, words)
    database.sql.execute(
        "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
        (box.first_key | box.uidnext, bits, " ".join(words), modseq, clamped(internal_date), size, content),
    )
    database.sql.execute(
        "UPDATE mailboxes SET uidnext = uidnext + 1, modseq = ?, messages = messages + 1, unseen = unseen + ?,"
        " deleted = deleted + ?, size = size + ? WHERE id = ?",
        (modseq, not bits & SEEN_BIT, bool(bits & DELETED_BIT), size, box.id),
    )
    return box.uidnext


def append(  # noqa: PLR0913, PLR0917
    database: Database,
    name: str,
    messages: Sequence[NewMessage],
    names: Sequence[str],
    now: int,
    quota_bytes: int,
) -> Appended:
    """Append all messages or none."""
    database.box(name)
    contents = [_whole(database, message.content) for message in messages]
    room = sum(map(len, contents))
    database.demand_room(room, quota_bytes)
    files: list[NewFile] = []
    with database.folder.in_use():
        try:
            for content, file_name in zip(contents, names, strict=True):
                files.append(Octets(content).put(database.folder, b"", file_name))
            database.folder.sync()
            with database.writing():
                database.demand_room(room, quota_bytes)
                appended = _append(database, name, messages, files, now)
        except Exception as error:
            if not isinstance(as_refusal(error), SyncFailed):  # else it is unknown whether the rows are there
                database.remove_files([file.name for file in files])
            raise
        database.unconfirmed += [file.name for file in files]
    return appended


def _whole(database: Database, content: bytes | tuple[Piece, ...]) -> bytes:
    """Return a message whose pieces are put together. Raises MessageGone, MessageLost."""
    if isinstance(content, bytes):
        return content
    return b"".join(piece if isinstance(piece, bytes) else stored_range(database, piece) for piece in content)


def _append(
    database: Database, name: str, messages: Sequence[NewMessage], files: list[NewFile], now: int
) -> Appended:
    uidvalidity, modseq, uids = 0, database.next_modseq(), []
    for message, file in zip(messages, files, strict=True):
        box = database.box(name)
        uidvalidity = box.uidvalidity
        date = now if message.internal_date is None else message.internal_date
        content = _insert_content(database, file, 1)
        uids.append(_insert(database, box, message.flags, date, file.size, content, modseq))
    return Appended(uidvalidity, tuple(uids))


def adopt(database: Database, mailbox: str, content: bytes, internal_date: int, file: str) -> None:
    """Insert the rows of a file that is already in the folder."""
    new = NewFile(file, len(content), _digest(content), b"", _encode(scan(content)))
    with database.writing():
        box = database.box(mailbox)
        content_id = _insert_content(database, new, 1)
        modseq = database.next_modseq()
        _insert(database, box, frozenset(), internal_date, new.size, content_id, modseq)
