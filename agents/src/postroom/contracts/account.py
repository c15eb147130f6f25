"""One account's mailboxes as imap, pop3 and mda see them.

Flags are names: system flags as RFC 3501 writes them (`\\Seen`), keywords without regard to case.
A mailbox has one spelling of a keyword, the first that came, and at most MOST_KEYWORDS of them: when room is needed,
those that no message has any more are forgotten.
Mailbox names are Unicode with `/` between levels; `INBOX` is always written so.
UIDs and sets of UIDs are plain ints, ascending.
"""

from array import array
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from postroom.mail.mime import Envelope, Part

MOST_KEYWORDS: Final = 100  # of one mailbox


class Mailbox(msgspec.Struct, frozen=True):
    """A name in the account's hierarchy. `id` is stable over renames."""

    id: int
    name: str
    uidvalidity: int
    special_use: str = ""  # `\\Sent` and so on, RFC 6154
    subscribed: bool = False
    selectable: bool = True  # False: only a parent


class Status(msgspec.Struct, frozen=True):
    """Counts of one mailbox. RFC 3501 section 6.3.10, RFC 7162, RFC 8438."""

    messages: int
    recent: int
    unseen: int
    deleted: int
    size: int
    uidnext: int
    uidvalidity: int
    highestmodseq: int


class Selected(msgspec.Struct, frozen=True):
    """A mailbox as SELECT or EXAMINE finds it."""

    mailbox: Mailbox
    status: Status
    uids: array  # type: ignore[type-arg]  # array('I'), ascending
    recent: frozenset[int]  # UIDs that are \\Recent for this session (claimed from others when writable)
    first_unseen: int  # UID, 0 when all are seen
    keywords: tuple[str, ...]


class Row(msgspec.Struct, frozen=True, gc=False):
    """What changes about a message, and what is cheap to know."""

    uid: int
    flags: frozenset[str]
    modseq: int
    internal_date: int  # seconds since 1970, within what mail.dates can show
    size: int  # octets as FETCH RFC822.SIZE counts them, served header in front included


class Detail(msgspec.Struct, frozen=True, gc=False):
    """What a message's bytes say, computed once. Offsets refer to `content`."""

    uid: int
    envelope: Envelope
    structure: Part


class Changes(msgspec.Struct, frozen=True):
    """What happened in a mailbox since a modseq."""

    rows: tuple[Row, ...]  # new and changed messages, ascending
    vanished: tuple[int, ...]  # UIDs expunged since
    recent: frozenset[int]  # new UIDs that are \\Recent for this session (claimed when writable)
    highestmodseq: int
    uidnext: int
    keywords: tuple[str, ...] = ()  # all of the mailbox, when any of the rows has one
    present: array | None = None  # type: ignore[type-arg]  # array('I') of all UIDs, when `vanished` is not known


class NewMessage(msgspec.Struct, frozen=True):
    """A message to append."""

    content: bytes
    flags: frozenset[str] = frozenset()
    internal_date: int | None = None  # seconds since 1970, brought into the range of mail.dates; None: now


class Appended(msgspec.Struct, frozen=True):
    """Where messages went. RFC 4315."""

    uidvalidity: int
    uids: tuple[int, ...]


class Copied(msgspec.Struct, frozen=True):
    """COPYUID: source and target UIDs, pairwise, ascending by source."""

    uidvalidity: int
    sources: tuple[int, ...]
    targets: tuple[int, ...]


class FlagMode(StrEnum):
    """STORE FLAGS, +FLAGS, -FLAGS."""

    REPLACE = "replace"
    ADD = "add"
    REMOVE = "remove"


class Stored(msgspec.Struct, frozen=True):
    """Result of STORE: rows as they are now (also unchanged ones), and the UIDs that UNCHANGEDSINCE held back."""

    rows: tuple[Row, ...]
    modified: tuple[int, ...]
    before: tuple[int, ...]  # the mod-sequences that `rows` had: who knew these knows the rows
    keywords: tuple[str, ...] = ()  # all of the mailbox, when any of the rows has one


class Quota(msgspec.Struct, frozen=True):
    """Octets and messages used; `limit` in octets, 0 for none."""

    used: int
    limit: int
    messages: int


class MailAccount(Protocol):
    """One account's mailboxes. Every method may raise Unavailable; name errors are MailboxError's children."""

    async def mailboxes(self) -> tuple[Mailbox, ...]:
        """All of them, sorted by name, INBOX first."""

    async def subscriptions(self) -> frozenset[str]:
        """Subscribed names, also of mailboxes that do not exist (any more)."""

    async def create(self, name: str, special_use: str = "") -> Mailbox:
        """Make a mailbox and the parents it lacks. Raises MailboxExists, MailboxNameInvalid, QuotaExceeded."""

    async def delete(self, name: str) -> None:
        """Remove a mailbox with its messages; one with children stays as a name.

        Raises NoSuchMailbox, MailboxNotDeletable.
        """

    async def rename(self, old: str, new: str) -> None:
        """Rename with all children; renaming INBOX moves its messages (RFC 3501 section 6.3.5)."""

    async def subscribe(self, name: str, on: bool) -> None:
        """Subscribe to a name or forget it. Raises MailboxNameInvalid, QuotaExceeded."""

    async def status(self, name: str) -> Status:
        """Raises NoSuchMailbox, MailboxNotSelectable."""

    async def select(self, name: str, writable: bool) -> Selected:
        """Open for a session. Raises NoSuchMailbox, MailboxNotSelectable."""

    async def changes(self, mailbox: int, since: int, writable: bool) -> Changes:
        """All that happened after modseq `since`. Raises NoSuchMailbox when it was deleted."""

    async def rows(
        self, mailbox: int, uids: Sequence[int] | None = None, changed_since: int = 0
    ) -> tuple[Row, ...]:
        """Rows of these UIDs (None: all) with a modseq above `changed_since`; UIDs that are gone are left out."""

    async def details(self, mailbox: int, uids: Sequence[int]) -> tuple[Detail, ...]:
        """Envelope and structure; UIDs that are gone are left out, and messages whose structure cannot be had."""

    async def content(self, mailbox: int, uid: int) -> bytes:
        """The whole message as served: the delivery prefix, then the bytes as received.

        Raises MessageGone, MessageLost.
        """

    async def head(self, mailbox: int, uid: int, octets: int) -> bytes:
        """The beginning of `content`: at least so many octets, or all there are.

        Raises MessageGone, MessageLost.
        """

    async def piece(self, mailbox: int, uid: int, start: int, end: int) -> bytes:
        """The octets of `content` from `start` to `end`, or to its end.

        Once its first piece is read, the rest can be read though the message is expunged meanwhile.
        Raises MessageGone, MessageLost.
        """

    async def append(self, name: str, messages: Sequence[NewMessage]) -> Appended:
        """All or nothing. Raises NoSuchMailbox, QuotaExceeded, TooManyKeywords."""

    async def store(
        self,
        mailbox: int,
        uids: Sequence[int],
        mode: FlagMode,
        flags: frozenset[str],
        unchanged_since: int | None = None,
    ) -> Stored:
        """Change flags. A no-op change does not raise a row's modseq. Raises TooManyKeywords: nothing is changed."""

    async def expunge(self, mailbox: int, uids: Sequence[int] | None = None) -> tuple[int, ...]:
        """Remove messages that have `\\Deleted` (only among `uids` when given); the UIDs removed, ascending."""

    async def copy(self, mailbox: int, uids: Sequence[int], target: str) -> Copied:
        """All or nothing. Raises NoSuchMailbox, QuotaExceeded, TooManyKeywords."""

    async def move(self, mailbox: int, uids: Sequence[int], target: str) -> Copied:
        """Copy and expunge in one step (RFC 6851). Raises NoSuchMailbox, TooManyKeywords."""

    async def quota(self) -> Quota:
        """Use and limit of the account."""

    async def lock_maildrop(self, owner: str) -> None:
        """Take the exclusive POP3 lock, or raise MailboxInUse. It ends with `unlock_maildrop` or with the process."""

    async def unlock_maildrop(self, owner: str) -> None:
        """Give the lock back."""
