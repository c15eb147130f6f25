"""Commands as frozen values, one class per command. RFC 3501 section 6 and the extensions named with each."""

import msgspec

from postroom.contracts.search import Key
from postroom.wire.imap.fetchitems import FetchItem
from postroom.wire.imap.sequence import SequenceSet


class Command(msgspec.Struct, frozen=True):
    """Any command."""


class Capability(Command, frozen=True):
    """RFC 3501 section 6.1.1."""


class Noop(Command, frozen=True):
    """RFC 3501 section 6.1.2."""


class Logout(Command, frozen=True):
    """RFC 3501 section 6.1.3."""


class Id(Command, frozen=True):
    """RFC 2971. What the client says about itself is read and not kept."""


class StartTls(Command, frozen=True):
    """RFC 3501 section 6.2.1."""


class Authenticate(Command, frozen=True):
    """RFC 3501 section 6.2.2; `initial` is the initial response as written (RFC 4959), None for none."""

    mechanism: str
    initial: bytes | None = None

    def __repr__(self) -> str:
        return f"Authenticate({self.mechanism!r})"


class Login(Command, frozen=True):
    """RFC 3501 section 6.2.3."""

    name: bytes
    password: bytes

    def __repr__(self) -> str:
        return f"Login({self.name!r})"


class Enable(Command, frozen=True):
    """RFC 5161; names in upper case."""

    names: tuple[bytes, ...]


class Namespace(Command, frozen=True):
    """RFC 2342."""


class Select(Command, frozen=True):
    """SELECT and EXAMINE; `condstore` is the parameter of RFC 7162 section 3.1.8."""

    mailbox: str
    writable: bool
    condstore: bool = False


class Create(Command, frozen=True):
    """RFC 3501 section 6.3.3; `special_uses` as RFC 6154 section 3 has them, as written."""

    mailbox: str
    special_uses: tuple[str, ...] = ()


class Delete(Command, frozen=True):
    """RFC 3501 section 6.3.4."""

    mailbox: str


class Rename(Command, frozen=True):
    """RFC 3501 section 6.3.5."""

    old: str
    new: str


class Subscribe(Command, frozen=True):
    """SUBSCRIBE, and with `on` false UNSUBSCRIBE."""

    mailbox: str
    on: bool


class List(Command, frozen=True):
    """LIST with RFC 5258 (selection, return options), RFC 5819 (`status`), RFC 6154. Option names in upper case.

    `patterns` are those that a name can match: there may be none.
    """

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[bytes] = frozenset()
    returns: frozenset[bytes] = frozenset()
    status: tuple[bytes, ...] = ()
    extended: bool = False


class Lsub(Command, frozen=True):
    """RFC 3501 section 6.3.9; `pattern` is None where no name can match it."""

    reference: str
    pattern: str | None


class StatusOf(Command, frozen=True):
    """STATUS; items in upper case."""

    mailbox: str
    items: tuple[bytes, ...]


class Append(Command, frozen=True):
    """RFC 3501 section 6.3.11; `date` in seconds since 1970, None when the client gave none."""

    mailbox: str
    flags: frozenset[str]
    date: int | None
    message: bytes


class Idle(Command, frozen=True):
    """RFC 2177."""


class GetQuota(Command, frozen=True):
    """RFC 9208 section 4.1.1."""

    root: bytes


class GetQuotaRoot(Command, frozen=True):
    """RFC 9208 section 4.1.2."""

    mailbox: str


class SetQuota(Command, frozen=True):
    """RFC 9208 section 4.1.3: the operator's, refused to everybody."""


class Check(Command, frozen=True):
    """RFC 3501 section 6.4.1."""


class Close(Command, frozen=True):
    """RFC 3501 section 6.4.2."""


class Unselect(Command, frozen=True):
    """RFC 3691."""


class Expunge(Command, frozen=True):
    """EXPUNGE, and with `uids` UID EXPUNGE (RFC 4315 section 2.1)."""

    uids: SequenceSet | None = None


class Search(Command, frozen=True):
    """SEARCH; `results` are RFC 4731's options, None for the untagged SEARCH of RFC 3501."""

    key: Key
    uid: bool
    results: frozenset[bytes] | None = None


class Fetch(Command, frozen=True):
    """FETCH; `changed_since` is RFC 7162's modifier."""

    set: SequenceSet
    uid: bool
    items: tuple[FetchItem, ...]
    changed_since: int | None = None


class Store(Command, frozen=True):
    """STORE; `sign` is `+`, `-` or empty, `unchanged_since` RFC 7162's modifier."""

    set: SequenceSet
    uid: bool
    sign: str
    silent: bool
    flags: frozenset[str]
    unchanged_since: int | None = None


class Copy(Command, frozen=True):
    """COPY, and with `move` MOVE (RFC 6851)."""

    set: SequenceSet
    uid: bool
    mailbox: str
    move: bool = False


class Tagged(msgspec.Struct, frozen=True):
    """A command with its tag. `verb` is its name for the tagged reply, in upper case; `by_uid` marks UID forms."""

    tag: bytes
    verb: bytes
    command: Command
    by_uid: bool = False
