"""New messages: delivery (many in one commit) and APPEND. RFC 2033, RFC 3501 section 6.3.11, RFC 4315.

Order: file, fsync, folder fsync, rows, commit. The write lock of the database is held only for the rows.
"""

import hashlib
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec

from postroom.contracts.account import Appended, NewMessage
from postroom.contracts.errors import (
    MailboxNameInvalid,
    MailError,
    RecipientOverQuota,
    TooManyKeywords,
)
from postroom.contracts.store import Delivery
from postroom.mail.dates import clamped
from postroom.mail.flags import DELETED_BIT, SEEN_BIT, keywords, system_bits
from postroom.mail.mime import Envelope, Part
from postroom.mail.mime_scan import scan, shifted
from postroom.store.blobs.files import Folder, SyncFailed
from postroom.store.names import INBOX, mailbox_name
from postroom.store.sqlite.database import Box, Database, as_refusal

_PRUNE_EVERY: Final = 500  # UIDs, so that nothing has to be counted while accounts come and go
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
    """Content that several deliveries share: scanned once, written once, then linked. For use by several threads."""

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
        with suppress(
            OSError
        ):  # the other is gone, closed, on another disk, or has too many names: write it again
            folder.link(*self._at, name)
            return True
        return False

    def _detail_behind(self, prefix: int) -> bytes:
        """Envelope and structure with offsets as served."""
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
    """A delivery on its way."""

    delivery: Delivery
    octets: Octets
    name: str  # for the file


def deliver(database: Database, jobs: Sequence[Job], remember_since: int) -> list[Exception | None]:
    """Deliver to one account in one commit; per job None or why not."""
    with database.folder.in_use():
        return _deliver(database, jobs, remember_since)


def _deliver(database: Database, jobs: Sequence[Job], remember_since: int) -> list[Exception | None]:
    results: list[Exception | None] = [None] * len(jobs)
    written: dict[int, NewFile] = {}
    try:
        for place, job in enumerate(jobs):
            if len(job.delivery.content) > _LARGE and _refused(database, job.delivery, results, place):
                continue
            try:
                written[place] = job.octets.put(database.folder, job.delivery.prefix, job.name)
            except OSError as error:
                results[place] = as_refusal(error)
        if written:
            database.folder.sync()
            _commit(database, jobs, written, results, remember_since)
    except SyncFailed:
        raise
    except Exception as error:
        refusal = as_refusal(error)
        if not isinstance(refusal, MailError):
            raise refusal from error
        for place in written:
            results[place] = refusal
    for place, file in written.items():
        if results[place] is None:
            database.unconfirmed.append(file.name)
    database.remove_files([file.name for place, file in written.items() if results[place] is not None])
    return [None if isinstance(result, _SecondCopy) else result for result in results]


class _SecondCopy(Exception):
    """This delivery was made before; its new file is not wanted."""


def _refused(database: Database, delivery: Delivery, results: list[Exception | None], place: int) -> bool:
    """Whether a large file need not be written at all; for the others only the commit looks."""
    if _seen(database, delivery):
        return True
    size = len(delivery.prefix) + len(delivery.content)
    if delivery.quota_bytes and database.used()[0] + size > delivery.quota_bytes:
        results[place] = RecipientOverQuota("mailbox full")
    return results[place] is not None


def _seen(database: Database, delivery: Delivery) -> bool:
    row = database.sql.execute(
        "SELECT 1 FROM deliveries WHERE queue_id = ? AND recipient = ?",
        (delivery.queue_id, delivery.recipient),
    ).fetchone()
    return row is not None


def _commit(
    database: Database,
    jobs: Sequence[Job],
    written: dict[int, NewFile],
    results: list[Exception | None],
    remember_since: int,
) -> None:
    sql = database.sql
    forget = False
    with database.writing():
        for place, file in written.items():
            delivery = jobs[place].delivery
            size = len(file.prefix) + file.size
            box, used, modseq = database.arrival(_plain_name(delivery.mailbox))
            if delivery.quota_bytes and used + size > delivery.quota_bytes:
                results[place] = (
                    _SecondCopy() if _seen(database, delivery) else RecipientOverQuota("mailbox full")
                )
                continue
            cursor = sql.execute(
                "INSERT OR IGNORE INTO deliveries VALUES (?, ?, ?)",
                (delivery.queue_id, delivery.recipient, clamped(delivery.arrived)),
            )
            if not cursor.rowcount:
                results[place] = _SecondCopy()
                continue
            if box is None:
                box = database.box(INBOX)
            flags = _fitting(database, box, delivery.flags) if delivery.flags else delivery.flags
            uid = _insert(database, box, flags, delivery.arrived, file, modseq)
            forget |= uid % _PRUNE_EVERY == 0
        if forget:
            sql.execute("DELETE FROM deliveries WHERE time < ?", (remember_since,))


def _fitting(database: Database, box: Box, flags: frozenset[str]) -> frozenset[str]:
    """The flags without keywords for which the mailbox has no room: mail is never refused for them."""
    words = database.spelled(box.id, keywords(flags))
    try:
        database.learn_keywords(box.id, words)
    except TooManyKeywords:
        known = database.keywords(box.id)
        return flags.difference(word for word in keywords(flags) if word.lower() not in known)
    return flags


def _plain_name(name: str) -> str:
    """A mailbox name, INBOX for what is none."""
    if name == INBOX:
        return name
    try:
        return mailbox_name(name)
    except MailboxNameInvalid:
        return INBOX


def _digest(content: bytes) -> bytes:
    """Small pieces keep Python's lock: giving it away costs more than hashing a small message."""
    if len(content) > _SMALL:
        return hashlib.blake2b(content, digest_size=16).digest()
    running = hashlib.blake2b(digest_size=16)
    for start in range(0, len(content), 2047):
        running.update(content[start : start + 2047])
    return running.digest()


def _insert(  # noqa: PLR0913, PLR0917
    database: Database, box: Box, flags: frozenset[str], internal_date: int, file: NewFile, modseq: int
) -> int:
    """Rows of a new message; its UID."""
    content = database.sql.execute(
        "INSERT INTO contents (file, size, digest, refs, prefix, detail) VALUES (?, ?, ?, 1, ?, ?)",
        (file.name, file.size, file.digest, file.prefix, file.detail),
    ).lastrowid
    size, bits, words = len(file.prefix) + file.size, system_bits(flags), keywords(flags)
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
    """All or nothing."""
    database.box(name)
    room = sum(len(message.content) for message in messages)
    database.demand_room(room, quota_bytes)
    files: list[NewFile] = []
    with database.folder.in_use():
        try:
            for message, file_name in zip(messages, names, strict=True):
                files.append(Octets(message.content).put(database.folder, b"", file_name))
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


def _append(
    database: Database, name: str, messages: Sequence[NewMessage], files: list[NewFile], now: int
) -> Appended:
    uidvalidity, modseq, uids = 0, database.next_modseq(), []
    for message, file in zip(messages, files, strict=True):
        box = database.box(name)
        uidvalidity = box.uidvalidity
        date = now if message.internal_date is None else message.internal_date
        uids.append(_insert(database, box, message.flags, date, file, modseq))
    return Appended(uidvalidity, tuple(uids))


def adopt(database: Database, mailbox: str, content: bytes, internal_date: int, file: str) -> None:
    """Write the rows of a file that is in the folder already."""
    new = NewFile(file, len(content), _digest(content), b"", _encode(scan(content)))
    with database.writing():
        box = database.box(mailbox)
        _insert(database, box, frozenset(), internal_date, new, database.next_modseq())
