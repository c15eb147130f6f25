"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE. RFC 3501 section 6.3, RFC 6154."""

from typing import Final

from postroom.wire.imap.arguments import mailbox, mailbox_of
from postroom.wire.imap.commands import AFTER_LOGIN, Command, Family, Verb
from postroom.wire.imap.scanner import Scanner


class Create(Command, frozen=True):
    """RFC 3501 section 6.3.3; `special_uses` are those of RFC 6154 section 3, as written."""

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
    """SUBSCRIBE, or UNSUBSCRIBE where not `on`."""

    mailbox: str
    on: bool


def _create(scanner: Scanner) -> Command:
    """Read CREATE with `(USE (...))`. A delimiter at the end of the name is dropped (RFC 3501 section 6.3.3)."""
    scanner.space()
    name = mailbox(scanner)
    name = name[:-1] if len(name) > 1 and name.endswith("/") else name
    if not scanner.accept_space():
        return Create(name)
    scanner.open()
    if scanner.word() != b"USE":
        scanner.fail("unknown parameter")
    scanner.space()
    scanner.open()
    uses: list[str] = []
    while not scanner.accept_close():
        if uses:
            scanner.space()
        uses.append(scanner.flag().decode("ascii"))
    scanner.close()
    return Create(name, tuple(uses))


def _rename(scanner: Scanner) -> Command:
    scanner.space()
    old = mailbox(scanner)
    scanner.space()
    return Rename(old, mailbox(scanner))


FAMILY: Final = Family(
    {
        b"CREATE": Verb(AFTER_LOGIN, _create),
        b"DELETE": Verb(AFTER_LOGIN, mailbox_of(Delete)),
        b"RENAME": Verb(AFTER_LOGIN, _rename),
        b"SUBSCRIBE": Verb(AFTER_LOGIN, mailbox_of(lambda name: Subscribe(name, True))),
        b"UNSUBSCRIBE": Verb(AFTER_LOGIN, mailbox_of(lambda name: Subscribe(name, False))),
    },
    capabilities=(b"CREATE-SPECIAL-USE",),
)
