"""IDLE. RFC 2177."""

from typing import Final

from postroom.wire.imap.commands import AFTER_LOGIN, Command, Family, Verb, bare


class Idle(Command, frozen=True):
    """RFC 2177."""


FAMILY: Final = Family({b"IDLE": Verb(AFTER_LOGIN, bare(Idle()))}, capabilities=(b"IDLE",))
