"""Commands of every state and the way in: CAPABILITY, NOOP, LOGOUT, ID, STARTTLS, AUTHENTICATE, LOGIN, ENABLE.

RFC 3501 sections 6.1 and 6.2, RFC 2971, RFC 4959 and RFC 5161; CHECK (section 6.4.1) is NOOP for a selected mailbox.
"""

from typing import Final

from postroom.wire.imap.commands import (
    AFTER_LOGIN,
    ANY_STATE,
    BEFORE_LOGIN,
    SELECTED,
    Command,
    Family,
    Verb,
    bare,
)
from postroom.wire.imap.scanner import Scanner

_ID_PAIRS: Final = 30  # RFC 2971 section 3.3
_MOST_ENABLED: Final = 100  # names of one ENABLE; further ones are ignored


class Capability(Command, frozen=True):
    """RFC 3501 section 6.1.1."""


class Noop(Command, frozen=True):
    """RFC 3501 section 6.1.2."""


class Logout(Command, frozen=True):
    """RFC 3501 section 6.1.3."""


class Id(Command, frozen=True):
    """RFC 2971. What the client says about itself is not kept."""


class StartTls(Command, frozen=True):
    """RFC 3501 section 6.2.1."""


class Authenticate(Command, frozen=True):
    """RFC 3501 section 6.2.2; `initial` is the initial response as written (RFC 4959), or None."""

    mechanism: str
    initial: bytes | None = None

    def __repr__(self) -> str:
        return f"Authenticate({self.mechanism!r})"


class PasswordLogin(Command, frozen=True):
    """RFC 3501 section 6.2.3."""

    name: bytes
    password: bytes

    def __repr__(self) -> str:
        return f"PasswordLogin({self.name!r})"


class Enable(Command, frozen=True):
    """RFC 5161; names in upper case."""

    names: tuple[bytes, ...]


class Check(Command, frozen=True):
    """RFC 3501 section 6.4.1."""


def _identification(scanner: Scanner) -> Command:
    """Read ID's NIL, or at most 30 pairs. RFC 2971 section 3.1."""
    scanner.space()
    if not scanner.accept_open():
        if scanner.nstring() is not None:
            scanner.fail("parameter list or NIL expected")
        return Id()
    for number in range(_ID_PAIRS + 1):
        if scanner.accept_close():
            return Id()
        if number:
            scanner.space()
        scanner.string()
        scanner.space()
        scanner.nstring()
    scanner.close()
    return Id()


def _authenticate(scanner: Scanner) -> Command:
    scanner.space()
    mechanism = scanner.word().decode("ascii")
    initial = scanner.base64_text() if scanner.accept_space() else None
    return Authenticate(mechanism, initial)


def _login(scanner: Scanner) -> Command:
    scanner.space()
    name = scanner.astring()
    scanner.space()
    return PasswordLogin(name, scanner.astring())


def _enable(scanner: Scanner) -> Command:
    scanner.space()
    wanted = [scanner.word()]
    while scanner.accept_space():
        wanted.append(scanner.word())
    return Enable(tuple(wanted[:_MOST_ENABLED]))


FAMILY: Final = Family(
    {
        b"CAPABILITY": Verb(ANY_STATE, bare(Capability())),
        b"NOOP": Verb(ANY_STATE, bare(Noop())),
        b"LOGOUT": Verb(ANY_STATE, bare(Logout())),
        b"ID": Verb(ANY_STATE, _identification),
        b"STARTTLS": Verb(BEFORE_LOGIN, bare(StartTls())),
        b"AUTHENTICATE": Verb(BEFORE_LOGIN, _authenticate),
        b"LOGIN": Verb(BEFORE_LOGIN, _login),
        b"ENABLE": Verb(AFTER_LOGIN, _enable),
        b"CHECK": Verb(SELECTED, bare(Check())),
    }
)
