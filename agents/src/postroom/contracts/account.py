"""One account's mailboxes as imap, pop3 and mda see them.

Flags are names: system flags as RFC 3501 writes them (`\\Seen`); the case of keywords does not matter. A mailbox keeps
one spelling of a keyword, the first it was given, and at most MOST_KEYWORDS of them. When it needs room, it forgets
those that no message has.

Mailbox names are Unicode with `/` between levels; INBOX is always spelled `INBOX`.

UIDs and sets of UIDs are plain ints, in ascending order.

A mod-sequence becomes visible only when all lower ones of its mailbox are visible: a client that has seen everything
up to modseq N never misses a change at or below N. Gaps are allowed: there may be modseqs that no change ever has.
"""

from array import array
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from postroom.contracts.errors import MailError
from postroom.contracts.search import Found, Key
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
    """A mailbox as SELECT or EXAMINE finds it, for one person."""

    mailbox: Mailbox
    status: Status
    uids: array  # type: ignore[type-arg]  # array('I'), ascending
    recent: frozenset[int]  # UIDs that are \\Recent for this session (claimed from others when writable)
    first_unseen: int  # UID, 0 when all are seen
    keywords: tuple[str, ...]


class Row(msgspec.Struct, frozen=True, gc=False):
    """What can change about a message, and what is cheap to know about it."""

    uid: int
    flags: frozenset[str]
    modseq: int
    internal_date: int  # seconds since 1970, within what mail.dates can show
    size: int  # octets as FETCH RFC822.SIZE counts them, with the delivery prefix
    content_id: int = 0  # opaque; copies within the account share it, and no other message ever gets it


class Detail(msgspec.Struct, frozen=True, gc=False):
    """Envelope and structure, which were computed when the message came. Offsets refer to `content`."""

    uid: int
    envelope: Envelope
    structure: Part


class Changes(msgspec.Struct, frozen=True):
    """What has happened in a mailbox since a modseq."""

    rows: tuple[Row, ...]  # new and changed messages, ascending
    vanished: tuple[int, ...]  # UIDs expunged since
    recent: frozenset[int]  # new UIDs that are \\Recent for this session (claimed when writable)
    highestmodseq: int
    uidnext: int
    keywords: tuple[str, ...] = ()  # all of the mailbox, when any of the rows has one
    present: array | None = None  # type: ignore[type-arg]  # array('I') of all UIDs, when `vanished` is not known


class StoredRange(msgspec.Struct, frozen=True):
    """The octets of a stored message from `start` to `end`, as `MailAccount.piece` reads them. RFC 4469."""

    mailbox: int
    uid: int
    start: int
    end: int


Piece = bytes | StoredRange


class NewMessage(msgspec.Struct, frozen=True):
    """A message to append."""

    content: bytes | tuple[Piece, ...]  # the whole message, or its pieces in order
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


class Content(msgspec.Struct, frozen=True, gc=False):
    """A message as `MailAccount.contents` reads it: its octets, or why it has none."""

    uid: int
    octets: bytes = b""
    error: MailError | None = None  # MessageGone, MessageLost


class FlagMode(StrEnum):
    """STORE FLAGS, +FLAGS, -FLAGS."""

    REPLACE = "replace"
    ADD = "add"
    REMOVE = "remove"


class Stored(msgspec.Struct, frozen=True):
    """Result of STORE: rows as they are now (also unchanged ones), and the UIDs that UNCHANGEDSINCE held back."""

    rows: tuple[Row, ...]
    modified: tuple[int, ...]
    # The mod-sequences that `rows` had before: a client that has seen these misses nothing.
    before: tuple[int, ...]
    keywords: tuple[str, ...] = ()  # all of the mailbox, when any of the rows has one


class Quota(msgspec.Struct, frozen=True):
    """Octets and messages used; `limit` in octets, 0 for no limit."""

    used: int
    limit: int
    messages: int


class MailAccount(Protocol):
    """One account's mailboxes, opened by one person, to whom `\\Seen`, `\\Recent` and subscriptions belong.

    Every method may raise Unavailable. Errors about names are children of MailboxError.
    """

    async def mailboxes(self) -> tuple[Mailbox, ...]:
        """Return all mailboxes, sorted by name, INBOX first."""

    async def subscriptions(self) -> frozenset[str]:
        """Return the subscribed names, including those of mailboxes that do not exist (any more)."""

    async def create(self, name: str, special_use: str = "") -> Mailbox:
        """Make a mailbox and the parents it lacks. Raises MailboxExists, MailboxNameInvalid, QuotaExceeded."""

    async def delete(self, name: str) -> None:
        """Remove a mailbox with its messages; a mailbox with children stays as a name that cannot be selected.

        Raises NoSuchMailbox, MailboxNotDeletable.
        """

    async def rename(self, old: str, new: str) -> None:
        """Rename a mailbox and its children; renaming INBOX moves its messages (RFC 3501 section 6.3.5)."""

    async def subscribe(self, name: str, on: bool) -> None:
        """Subscribe to a name or unsubscribe from it. Raises MailboxNameInvalid, QuotaExceeded."""

    async def status(self, name: str) -> Status:
        """Return the counts of a mailbox. Raises NoSuchMailbox, MailboxNotSelectable."""

    async def statuses(self, names: Sequence[str]) -> dict[str, Status]:
        """Return the counts of several mailboxes; names that cannot be selected are left out."""

    async def select(self, name: str, writable: bool) -> Selected:
        """Open a mailbox for a session. Raises NoSuchMailbox, MailboxNotSelectable."""

    async def changes(self, mailbox: int, since: int, writable: bool) -> Changes:
        """Return everything that happened after modseq `since`. Raises NoSuchMailbox when the mailbox was deleted."""

    async def rows(
        self, mailbox: int, uids: Sequence[int] | None = None, changed_since: int = 0
    ) -> tuple[Row, ...]:
        """Return the rows of these UIDs (None: all) whose modseq is above `changed_since`, ascending.

        UIDs that do not exist are left out.
        """

    async def search(self, mailbox: int, key: Key, uids: Sequence[int]) -> Found:
        """Judge these messages; the key is settled: it names messages by UID only, and does not ask for RECENT.

        An engine may leave messages undecided when it has no index for what the key asks about; the caller reads those.
        """

    async def details(self, mailbox: int, uids: Sequence[int]) -> tuple[Detail, ...]:
        """Return envelopes and structures.

        UIDs that do not exist are left out, and messages whose structure cannot be read.
        """

    async def content(self, mailbox: int, uid: int) -> bytes:
        """Return the whole message as served: the delivery prefix, then the octets as received.

        Raises MessageGone, MessageLost.
        """

    async def head(self, mailbox: int, uid: int, octets: int) -> bytes:
        """Return the beginning of `content`: at least so many octets, or all there are.

        Raises MessageGone, MessageLost.
        """

    async def contents(self, mailbox: int, uids: Sequence[int], octets: int) -> tuple[Content, ...]:
        """Read ahead: return the first of these messages, as many as fit into so many octets, but at least one.

        The order is that of `uids`. The caller asks again for the rest.
        """

    async def heads(self, mailbox: int, uids: Sequence[int], octets: int) -> tuple[Content, ...]:
        """Return the first octets of each of these messages: at least so many, or all there are."""

    async def piece(self, mailbox: int, uid: int, start: int, end: int) -> bytes:
        """Return the octets of `content` from `start` to `end`, or to the end of the message.

        Once the first piece has been read, the rest can be read even if the message is expunged meanwhile.
        Raises MessageGone, MessageLost.
        """

    async def append(self, name: str, messages: Sequence[NewMessage]) -> Appended:
        """Append all messages or none.

        Raises NoSuchMailbox, QuotaExceeded, TooManyKeywords, and MessageGone or MessageLost for a StoredRange.
        """

    async def store(
        self,
        mailbox: int,
        uids: Sequence[int],
        mode: FlagMode,
        flags: frozenset[str],
        unchanged_since: int | None = None,
    ) -> Stored:
        """Change flags; rows whose flags stay as they are keep their modseq.

        Raises TooManyKeywords: nothing is changed.
        """

    async def expunge(self, mailbox: int, uids: Sequence[int] | None = None) -> tuple[int, ...]:
        """Remove messages that have `\\Deleted` (only among `uids` when given); return their UIDs, ascending."""

    async def copy(self, mailbox: int, uids: Sequence[int], target: str) -> Copied:
        """Copy all messages or none. Raises NoSuchMailbox, QuotaExceeded, TooManyKeywords."""

    async def move(self, mailbox: int, uids: Sequence[int], target: str) -> Copied:
        """Copy and expunge in one step (RFC 6851). Raises NoSuchMailbox, TooManyKeywords."""

    async def quota(self) -> Quota:
        """Return the account's use and its limit."""

    def maildrop(self) -> AbstractAsyncContextManager[None]:
        """Hold the account's maildrop exclusively (RFC 1939 section 4) while the context lasts.

        The lock ends with the context, and with the process at the latest. Entering raises MailboxInUse at once when
        another session holds the maildrop.
        """
