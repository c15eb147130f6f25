"""STORE, COPY, MOVE, EXPUNGE and their UID forms. RFC 3501 section 6.4, RFC 4315, RFC 6851, RFC 7162."""

from collections.abc import Sequence
from typing import Final

from postroom.wire.imap.arguments import flag_list, flags, mailbox, message_set
from postroom.wire.imap.commands import SELECTED, Command, Family, Reader, Verb, bare
from postroom.wire.imap.scanner import Scanner
from postroom.wire.imap.sequence import SequenceSet, in_order


class StoreFlags(Command, frozen=True):
    """STORE; `sign` is `+`, `-` or empty, `unchanged_since` the modifier of RFC 7162."""

    set: SequenceSet
    uid: bool
    sign: str
    silent: bool
    flags: frozenset[str]
    unchanged_since: int | None = None


class CopyMessages(Command, frozen=True):
    """COPY, and with `move` MOVE (RFC 6851)."""

    set: SequenceSet
    uid: bool
    mailbox: str
    move: bool = False


class Expunge(Command, frozen=True):
    """EXPUNGE, and with `uids` UID EXPUNGE (RFC 4315 section 2.1)."""

    uids: SequenceSet | None = None


def copy_uid(uidvalidity: int, sources: Sequence[int], targets: Sequence[int]) -> bytes:
    """Return the response code COPYUID. RFC 4315 section 3."""
    return b"COPYUID %d %b %b" % (uidvalidity, in_order(sources), in_order(targets))


def _store(*, uid: bool) -> Reader:
    def read(scanner: Scanner) -> Command:
        scanner.space()
        wanted = message_set(scanner)
        scanner.space()
        since = None
        if scanner.accept_open():
            if scanner.word() != b"UNCHANGEDSINCE":
                scanner.fail("unknown modifier")
            scanner.space()
            since = scanner.mod_sequence()
            scanner.close()
            scanner.space()
        word = scanner.word()
        sign = word[:1].decode() if word[:1] in (b"+", b"-") else ""
        item = word[len(sign) :]
        if item not in (b"FLAGS", b"FLAGS.SILENT"):
            scanner.fail("FLAGS expected")
        scanner.space()
        given = flag_list(scanner) if scanner.peek(b"(") else frozenset(flags(scanner))
        return StoreFlags(wanted, uid, sign, item == b"FLAGS.SILENT", given, since)

    return read


def _copy(*, uid: bool, move: bool) -> Reader:
    def read(scanner: Scanner) -> Command:
        scanner.space()
        wanted = message_set(scanner)
        scanner.space()
        return CopyMessages(wanted, uid, mailbox(scanner), move)

    return read


def _uid_expunge(scanner: Scanner) -> Command:
    scanner.space()
    return Expunge(message_set(scanner))


FAMILY: Final = Family(
    {
        b"STORE": Verb(SELECTED, _store(uid=False)),
        b"COPY": Verb(SELECTED, _copy(uid=False, move=False)),
        b"MOVE": Verb(SELECTED, _copy(uid=False, move=True)),
        b"EXPUNGE": Verb(SELECTED, bare(Expunge())),
    },
    by_uid={
        b"STORE": _store(uid=True),
        b"COPY": _copy(uid=True, move=False),
        b"MOVE": _copy(uid=True, move=True),
        b"EXPUNGE": _uid_expunge,
    },
    capabilities=(b"UIDPLUS", b"MOVE"),
)
