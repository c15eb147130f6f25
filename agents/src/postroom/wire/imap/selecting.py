"""SELECT, EXAMINE, CLOSE, UNSELECT. RFC 3501 sections 6.3 and 6.4, RFC 3691, RFC 7162 section 3.1.8."""

from typing import Final

from postroom.wire.imap.arguments import mailbox
from postroom.wire.imap.commands import AFTER_LOGIN, SELECTED, Command, Family, Reader, Verb, bare
from postroom.wire.imap.scanner import Scanner


class Select(Command, frozen=True):
    """SELECT, or EXAMINE where not `writable`; `condstore` is the parameter of RFC 7162 section 3.1.8."""

    mailbox: str
    writable: bool
    condstore: bool = False


class Close(Command, frozen=True):
    """RFC 3501 section 6.4.2."""


class Unselect(Command, frozen=True):
    """RFC 3691."""


def _select(*, writable: bool) -> Reader:
    """Return the reader of SELECT or EXAMINE, with the parameters of RFC 4466 section 2.1."""

    def read(scanner: Scanner) -> Command:
        scanner.space()
        name = mailbox(scanner)
        if not scanner.accept_space():
            return Select(name, writable)
        scanner.open()
        if scanner.word() != b"CONDSTORE":
            scanner.fail("unknown parameter")
        scanner.close()
        return Select(name, writable, condstore=True)

    return read


FAMILY: Final = Family(
    {
        b"SELECT": Verb(AFTER_LOGIN, _select(writable=True)),
        b"EXAMINE": Verb(AFTER_LOGIN, _select(writable=False)),
        b"CLOSE": Verb(SELECTED, bare(Close())),
        b"UNSELECT": Verb(SELECTED, bare(Unselect())),
    },
    capabilities=(b"UNSELECT", b"CONDSTORE"),
)
