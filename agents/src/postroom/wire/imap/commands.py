"""What a command is: its value, the states that allow it, and the function that reads its arguments.

Room rule: a family of commands is one module with values, grammar and responses, and exports all of it as one `FAMILY`;
`families` lists them.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from postroom.wire.imap.scanner import Scanner


class Command(msgspec.Struct, frozen=True):
    """Any command."""


class Tagged(msgspec.Struct, frozen=True):
    """A command with its tag. `verb` is its name for the tagged reply, in upper case; `by_uid` marks UID forms."""

    tag: bytes
    verb: bytes
    command: Command
    by_uid: bool = False


class State(Enum):
    """States of a connection. RFC 3501 section 3."""

    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"
    LOGOUT = "logout"


ANY_STATE: Final = frozenset({State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED})
BEFORE_LOGIN: Final = frozenset({State.NOT_AUTHENTICATED})
AFTER_LOGIN: Final = frozenset({State.AUTHENTICATED, State.SELECTED})
SELECTED: Final = frozenset({State.SELECTED})

Reader = Callable[[Scanner], Command]  # begins right after the verb


class Verb(NamedTuple):
    """The states that allow a command, and the function that reads its arguments."""

    states: frozenset[State]
    read: Reader


class Family(NamedTuple):
    """What a module of commands adds to the protocol."""

    verbs: Mapping[bytes, Verb]
    by_uid: Mapping[bytes, Reader] = {}  # what may follow the verb UID
    capabilities: tuple[bytes, ...] = ()  # offered after login


class BadCharset(Exception):
    """SEARCH in a charset that the server does not know."""


def bare(command: Command) -> Reader:
    """Return the reader of a command without arguments."""
    return lambda scanner: command
