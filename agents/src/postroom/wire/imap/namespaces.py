"""NAMESPACE. RFC 2342."""

from typing import Final

from postroom.wire.imap import responses
from postroom.wire.imap.commands import AFTER_LOGIN, Command, Family, Verb, bare


class Namespace(Command, frozen=True):
    """RFC 2342."""


def personal_only() -> bytes:
    """Return the response of a server with one personal namespace at the root, and no others."""
    return responses.untagged(b"NAMESPACE", b'(("" "/"))', b"NIL", b"NIL")


FAMILY: Final = Family({b"NAMESPACE": Verb(AFTER_LOGIN, bare(Namespace()))}, capabilities=(b"NAMESPACE",))
