"""What the server offers, by state. RFC 3501 section 6.1.1.

LITERAL- and LITERAL+ are never announced together (RFC 7888 section 5): before login a literal is a few octets of
name and password, after it a message.
"""

from typing import Final

from postroom.wire.imap.families import FAMILIES

_ALWAYS: Final = (b"IMAP4rev1", b"SASL-IR", b"ID", b"ENABLE")
_BEFORE: Final = (*_ALWAYS, b"LITERAL-")
_AFTER: Final = (*_ALWAYS, b"LITERAL+", *(word for family in FAMILIES for word in family.capabilities))
_PLAIN_TEXT: Final = b" ".join((*_BEFORE, b"STARTTLS", b"LOGINDISABLED"))
_UNDER_TLS: Final = b" ".join((*_BEFORE, b"AUTH=PLAIN", b"AUTH=LOGIN"))
_LOGGED_IN: Final = b" ".join(_AFTER)


def capabilities(*, secured: bool, logged_in: bool, may_start_tls: bool = True) -> bytes:
    """Return the capabilities, separated by spaces."""
    if logged_in:
        return _LOGGED_IN
    if secured:
        return _UNDER_TLS
    return _PLAIN_TEXT if may_start_tls else _PLAIN_TEXT.replace(b" STARTTLS", b"")
