"""The constant replies of the server. RFC 5321 section 4.2, RFC 3463, RFC 3207, RFC 4954."""

from collections.abc import Mapping
from typing import Final

from postroom.wire.smtp.data import Flaw
from postroom.wire.smtp.replies import Reply


class _NoReply(Reply):
    """Sends nothing, because the peer speaks next."""

    octets = b""


NO_REPLY: Final = _NoReply(220)
OK: Final = Reply(250, "2.0.0", "OK")
RESET: Final = Reply(250, "2.0.0", "Forgotten")
BYE: Final = Reply(221, "2.0.0", "Bye")
SENDER_OK: Final = Reply(250, "2.1.0", "Sender OK")
RECIPIENT_OK: Final = Reply(250, "2.1.5", "Recipient OK")
GO_AHEAD: Final = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
START_TLS: Final = Reply(220, "2.0.0", "Ready to start TLS")
AUTH_UNAVAILABLE: Final = Reply(454, "4.7.0", "Temporary authentication failure")  # RFC 4954 section 6
AUTHENTICATED: Final = Reply(235, "2.7.0", "Authentication successful")
VRFY: Final = Reply(252, "2.5.0", "Send some mail and see")
EXPN: Final = Reply(502, "5.5.1", "EXPN not implemented")
HELP: Final = Reply(214, "2.0.0", "See RFC 5321")

CLOSING: Final = Reply(421, "4.3.2", "Service shutting down, try again later")
INTERNAL: Final = Reply(421, "4.3.0", "Internal error, closing connection")
TIMED_OUT: Final = Reply(421, "4.4.2", "Timeout, closing connection")
TOO_MANY_COMMANDS: Final = Reply(421, "4.7.0", "Too many commands, closing connection")
TOO_MANY_ERRORS: Final = Reply(421, "4.7.0", "Too many errors, closing connection")
TOO_MANY_CONNECTIONS: Final = Reply(421, "4.3.2", "Too many connections, try again later")
TOO_MANY_FROM_YOU: Final = Reply(421, "4.7.0", "Too many connections from your address")

LINE_TOO_LONG: Final = Reply(500, "5.5.6", "Line too long")
BARE_LINE_END: Final = Reply(500, "5.5.2", "Bare CR or LF in a command, closing connection")
BAD_SEQUENCE: Final = Reply(503, "5.5.1", "Bad sequence of commands")
NEED_HELO: Final = Reply(503, "5.5.1", "Send EHLO or HELO first")
NO_STARTTLS: Final = Reply(503, "5.5.1", "STARTTLS not available")
INJECTED: Final = Reply(501, "5.5.4", "Commands behind STARTTLS refused, closing connection")
NEED_TLS: Final = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
NEED_AUTH: Final = Reply(530, "5.7.0", "Authentication required")
NEED_TLS_FOR_AUTH: Final = Reply(538, "5.7.11", "Encryption required for authentication")
NO_AUTH: Final = Reply(503, "5.5.1", "AUTH not available")
UNKNOWN_MECHANISM: Final = Reply(504, "5.5.4", "Mechanism not offered")
TOO_LARGE: Final = Reply(552, "5.3.4", "Message size exceeds the limit")

FLAWS: Final[Mapping[Flaw, Reply]] = {
    Flaw.BARE_CR_OR_LF: Reply(554, "5.6.0", "Bare CR or LF in the message, closing connection"),
    Flaw.NUL: Reply(554, "5.6.0", "NUL in the message"),
    Flaw.LONG_LINE: Reply(554, "5.6.0", "Line too long in the message"),
}
