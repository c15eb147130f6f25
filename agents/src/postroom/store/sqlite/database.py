"""One account's open database and files. Everything here blocks, and one thread at a time calls it."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple, TypeVar

from postroom.contracts.account import MOST_KEYWORDS
from postroom.contracts.errors import (
    MailboxNotSelectable,
    MailError,
    NoSuchMailbox,
    QuotaExceeded,
    TooManyKeywords,
    Unavailable,
)
from postroom.store.blobs import files
from postroom.store.blobs.openfiles import OpenFiles
from postroom.store.names import mailbox_name
from postroom.store.sqlite import schema

UID_MASK: Final = (1 << schema.UID_BITS) - 1
_SYNC_ERRORS: Final = (sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC)
_BOX: Final = (
    "id, name, uidvalidity, uidnext, recent_from, modseq, messages, unseen, deleted, size, selectable"
)
_ARRIVAL: Final = (
    f"SELECT {', '.join(f'box.{column}' for column in _BOX.split(', '))}, used, top"  # noqa: S608
    " FROM (SELECT sum(size) AS used, max(max(modseq), (SELECT modseq FROM account)) AS top FROM mailboxes)"
    " LEFT JOIN mailboxes AS box ON box.name = ? AND box.selectable"
)
T = TypeVar("T")


class Box(NamedTuple):
    """A row of `mailboxes`."""

    id: int
    name: str
    uidvalidity: int
    uidnext: int
    recent_from: int
    modseq: int
    messages: int
    unseen: int
    deleted: int
    size: int
    selectable: int

    @property
    def first_key(self) -> int:
        return self.id << schema.UID_BITS

    @property
    def last_key(self) -> int:
        return self.first_key | UID_MASK


class Database:
    """Rows and files of one account."""

    def __init__(self, path: str, now: int, busy_seconds: float) -> None:
        """Open the account, or make it when it is new. Raises Unavailable, SyncFailed, OSError, sqlite3.Error."""
        if not files.is_account(path):
            files.make_account(path)
            schema.prepare(path, now, busy_seconds)
        self.path = path
        try:
            self.sql = schema.connect(path, busy_seconds)
        except schema.WrongSchema as wrong:
            if wrong.version:
                raise
            schema.prepare(path, now, busy_seconds)  # the process that made the folder was interrupted
            self.sql = schema.connect(path, busy_seconds)
        self.folder = files.Folder(f"{path}/{files.MESSAGES}")
        self.being_read = OpenFiles()
        self.unconfirmed: list[str] = []  # files named by recent commits
        self.dirty = False  # whether a change has not been announced yet

    @property
    def id(self) -> str:
        """The account's id, which is the name of its folder."""
        return self.path.rpartition("/")[2]

    def carry_out(self, call: "Callable[[Database], T]") -> T:
        """Return the call's result; damaged text costs a second call, and later ones read what is left of it.

        Otherwise one text that is no UTF-8 would hide all rows that are read together with its own.
        """
        try:
            return call(self)
        except sqlite3.OperationalError as error:
            if self.sql.text_factory is not str or "decode to UTF-8" not in str(error):
                raise
            self.read_damaged_text()
            return call(self)

    def read_damaged_text(self) -> None:
        """Leave out octets that are no UTF-8 from now on; this makes reading slower."""
        self.sql.text_factory = lambda octets: octets.decode(errors="ignore")

    def close(self) -> None:
        self.confirm()
        self.being_read.close()
        self.sql.close()
        self.folder.close()

    def confirm(self) -> None:
        """Make new message files read-only; not at each commit, because every system call may switch threads."""
        while self.unconfirmed:
            self.folder.confirm(self.unconfirmed.pop())

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Run a write transaction: at the end all of it is on disk, or nothing."""
        self.sql.execute("BEGIN IMMEDIATE")
        before = self.sql.total_changes
        try:
            yield
            self.sql.execute("COMMIT")
            self.dirty |= self.sql.total_changes != before
        except BaseException:
            self._roll_back()
            raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Run several SELECTs that see one state."""
        self.sql.execute("BEGIN")
        try:
            yield
        finally:
            self._roll_back()

    def _roll_back(self) -> None:
        if self.sql.in_transaction:
            self.sql.execute("ROLLBACK")

    def box(self, name: str) -> Box:
        """Return the mailbox of a name. Raises NoSuchMailbox, MailboxNotSelectable, MailboxNameInvalid."""
        row = self.sql.execute(
            f"SELECT {_BOX} FROM mailboxes WHERE name = ?",  # noqa: S608
            (mailbox_name(name),),
        ).fetchone()
        return self._selectable(row)

    def box_by_id(self, mailbox: int) -> Box:
        """Return the mailbox of an id. Raises NoSuchMailbox, MailboxNotSelectable."""
        row = self.sql.execute(f"SELECT {_BOX} FROM mailboxes WHERE id = ?", (mailbox,)).fetchone()  # noqa: S608
        return self._selectable(row)

    @staticmethod
    def _selectable(row: Sequence[object] | None) -> Box:
        if row is None:
            raise NoSuchMailbox("no such mailbox")
        box = Box._make(row)
        if not box.selectable:
            raise MailboxNotSelectable("only a parent of mailboxes")
        return box

    def next_modseq(self) -> int:
        """Return a mod-sequence above all others of the account."""
        row = self.sql.execute(
            "SELECT max(max(modseq), (SELECT modseq FROM account)) FROM mailboxes"
        ).fetchone()
        return int(row[0]) + 1

    def used(self) -> tuple[int, int]:
        """Return octets and messages of all mailboxes."""
        row = self.sql.execute("SELECT sum(size), sum(messages) FROM mailboxes").fetchone()
        return int(row[0]), int(row[1])

    def arrival(self, name: str) -> tuple[Box | None, int, int]:
        """Return the mailbox of that name, if it takes mail, the octets used, and the next mod-sequence.

        One statement, because each may switch threads.
        """
        row = self.sql.execute(_ARRIVAL, (name,)).fetchone()
        return (Box._make(row[:-2]) if row[0] is not None else None, row[-2], row[-1] + 1)

    def demand_room(self, octets: int, quota_bytes: int) -> None:
        """Check that so many octets more fit. Raises QuotaExceeded."""
        if quota_bytes and self.used()[0] + octets > quota_bytes:
            raise QuotaExceeded("over quota")

    def count(self, mailbox: int, *, messages: int, unseen: int, deleted: int, size: int) -> None:
        """Add to a mailbox's counters."""
        self.sql.execute(
            "UPDATE mailboxes SET messages = messages + ?, unseen = unseen + ?, deleted = deleted + ?,"
            " size = size + ? WHERE id = ?",
            (messages, unseen, deleted, size, mailbox),
        )

    def touch(self, mailbox: int, modseq: int) -> None:
        """Set a mailbox's HIGHESTMODSEQ."""
        self.sql.execute("UPDATE mailboxes SET modseq = ? WHERE id = ?", (modseq, mailbox))

    def keywords(self, mailbox: int) -> dict[str, str]:
        """Return the keywords of a mailbox by their lower case."""
        rows = self.sql.execute("SELECT name FROM keywords WHERE mailbox = ? ORDER BY name DESC", (mailbox,))
        return {name.lower(): name for (name,) in rows}

    def spelled(self, mailbox: int, words: Iterable[str]) -> tuple[str, ...]:
        """Return keywords as the mailbox spells them, sorted; new ones are left as they are."""
        known = self.keywords(mailbox)
        return tuple(sorted({known.get(word.lower(), word) for word in words}))

    def learn_keywords(self, mailbox: int, words: Iterable[str]) -> None:
        """Add keywords to those of the mailbox. Raises TooManyKeywords."""
        known = self.keywords(mailbox)
        wanted = {word.lower(): word for word in words}
        new = {folded: word for folded, word in wanted.items() if folded not in known}
        if not new:
            return
        if len(known) + len(new) > MOST_KEYWORDS:
            unused = known.keys() - self._used_keywords(mailbox) - wanted.keys()
            if len(known) - len(unused) + len(new) > MOST_KEYWORDS:
                raise TooManyKeywords("too many keywords in one mailbox")
            self.sql.executemany(
                "DELETE FROM keywords WHERE mailbox = ? AND lower(name) = ?",
                [(mailbox, word) for word in unused],
            )
        self.sql.executemany("INSERT INTO keywords VALUES (?, ?)", [(mailbox, word) for word in new.values()])

    def _used_keywords(self, mailbox: int) -> set[str]:
        first = mailbox << schema.UID_BITS
        rows = self.sql.execute(
            "SELECT DISTINCT lower(keywords) FROM messages WHERE key BETWEEN ? AND ? AND keywords <> ''",
            (first, first | UID_MASK),
        )
        return {word for (words,) in rows for word in words.split(" ")}

    def release(self, contents: dict[int, int]) -> list[str]:
        """Drop references to contents; return the files without any left, to be removed after the commit."""
        unused = []
        for content, gone in contents.items():
            refs, file = self.sql.execute(
                "SELECT refs, file FROM contents WHERE id = ?", (content,)
            ).fetchone()
            if refs > gone:
                self.sql.execute("UPDATE contents SET refs = ? WHERE id = ?", (refs - gone, content))
            else:
                self.sql.execute("DELETE FROM contents WHERE id = ?", (content,))
                unused.append(file)
        return unused

    def remove_files(self, names: Sequence[str]) -> None:
        for name in names:
            self.folder.remove(name)


def as_refusal(error: Exception, where: str = "") -> Exception:
    """Return the error for the store's caller: a MailError, SyncFailed, or the error itself if it is a fault of ours.

    `where` precedes the reason, for callers that do not know which account it was.
    """
    if isinstance(error, MailError | files.SyncFailed):
        return error
    if isinstance(error, sqlite3.Error):
        if getattr(error, "sqlite_errorcode", 0) in _SYNC_ERRORS:
            return files.SyncFailed(f"fsync: {error}")
        return Unavailable(f"{where}mailbox database: {error}")
    if isinstance(error, OSError):
        return Unavailable(f"{where}mailbox files: {error.strerror}")
    return error
