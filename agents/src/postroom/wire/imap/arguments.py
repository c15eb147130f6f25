"""Arguments that several families share: mailbox names, message sets and flags. RFC 3501 section 9."""

from collections.abc import Callable
from typing import Final

from postroom.mail.flags import FlagError
from postroom.mail.flags import flag as checked_flag
from postroom.wire.imap import names, sequence
from postroom.wire.imap.commands import Command, Reader
from postroom.wire.imap.scanner import Scanner

MAX_FLAGS: Final = 100


def mailbox(scanner: Scanner) -> str:
    """Read mailbox. Raises BadName besides BadSyntax."""
    return names.decode(scanner.astring())


def mailbox_of(make: Callable[[str], Command]) -> Reader:
    """Return the reader of a command whose one argument is a mailbox."""

    def read(scanner: Scanner) -> Command:
        scanner.space()
        return make(mailbox(scanner))

    return read


def message_set(scanner: Scanner) -> sequence.SequenceSet:
    """Read sequence-set."""
    return sequence.parse(scanner.sequence_text())


def flag(scanner: Scanner) -> str:
    """Read a flag that a client may set: system flags in one spelling, keywords as written."""
    try:
        return checked_flag(scanner.flag().decode("ascii"))
    except FlagError:
        scanner.fail("flag cannot be set")


def flag_list(scanner: Scanner) -> frozenset[str]:
    """Read flag-list: flags in parentheses, or none."""
    scanner.open()
    found = [] if scanner.peek(b")") else flags(scanner)
    scanner.close()
    return frozenset(found)


def flags(scanner: Scanner) -> list[str]:
    """Read one or more flags without parentheses."""
    found = [flag(scanner)]
    while scanner.accept_space():
        if len(found) >= MAX_FLAGS:
            scanner.fail("too many flags")
        found.append(flag(scanner))
    return found
