"""Values of the parameters that extensions add to MAIL and RCPT. RFC 1870 section 3, RFC 6152, RFC 4954 section 5."""

from typing import Final

from postroom.wire.smtp.commands import CommandError, Grammar
from postroom.wire.smtp.replies import Reply

BAD_SIZE: Final = Reply(501, "5.5.4", "SIZE needs a number")
BAD_BODY: Final = Reply(501, "5.5.4", "BODY is 7BIT or 8BITMIME")


def size(text: str) -> int:
    """Return the octets that SIZE declares. Raises CommandError."""
    if not text.isdecimal() or len(text) > 20:
        raise CommandError(BAD_SIZE)
    return int(text)


def body(text: str) -> str:
    """Return BODY's value in upper case. Raises CommandError."""
    value = text.upper()
    if value not in ("7BIT", "8BITMIME"):
        raise CommandError(BAD_BODY)
    return value


def unused(text: str) -> str:
    """Accept any value, because the server does nothing with the parameter."""
    return text


SIZE_AND_BODY: Final[Grammar] = {"SIZE": size, "BODY": body}
