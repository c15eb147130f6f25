"""SASL PLAIN and LOGIN as the server sees them, without I/O. RFC 4422, RFC 4616.

Room rule: responses in, challenges out. Each step is a value; nothing remembers what a peer sent before it is
needed, and no part of a password is ever put into an exception's text. LOGIN (never standardised) ends as the
PLAIN message that says the same, so everything behind this module knows one mechanism.
"""

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Final

MECHANISMS: Final = ("PLAIN", "LOGIN")
MAX_RESPONSE: Final = 4096  # octets, decoded
MAX_PART: Final = 1024  # RFC 4616 section 2 asks for 255 at least


class SaslError(ValueError):
    """The peer's SASL data are no such data. The text is fit for a reply."""


class UnknownMechanism(SaslError):
    """A mechanism that is not offered."""


class Cancelled(SaslError):
    """The client gave the exchange up with `*` (RFC 3501 section 6.2.2, RFC 4954 section 4)."""


@dataclass(frozen=True, slots=True)
class Plain:
    """The three parts of a PLAIN message; `authorization` is empty when the client asks for nobody else."""

    name: str
    password: str = field(repr=False)
    authorization: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """The client has said all. `response` is a PLAIN message, ready for `contracts.auth.LoginAttempt`."""

    mechanism: str
    response: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Asking:
    """The server has to send `challenge` (decoded octets) and to hand the next response to `answered`."""

    mechanism: str
    challenge: bytes
    name: bytes | None = None

    def answered(self, response: bytes) -> "Asking | Finished":
        """Return the next step after the client's decoded response. Raises SaslError."""
        if self.mechanism == "PLAIN":
            return _finished("PLAIN", response)
        if self.name is None:
            return _password_wanted(response)
        return _finished("LOGIN", b"\0".join((b"", self.name, _one_part(response))))


def begin(mechanism: str, initial: bytes | None = None) -> Asking | Finished:
    """Start an exchange. `initial` is the decoded initial response, None when the client sent none.

    Raises UnknownMechanism, SaslError.
    """
    known = mechanism.upper()
    if known == "PLAIN":
        return Asking("PLAIN", b"") if initial is None else _finished("PLAIN", initial)
    if known == "LOGIN":
        return Asking("LOGIN", b"Username:") if initial is None else _password_wanted(initial)
    raise UnknownMechanism("mechanism not offered")


def offered(mechanism: str) -> bool:
    """Return whether the mechanism is one of ours, in any case of its letters."""
    return mechanism.upper() in MECHANISMS


def begin_encoded(mechanism: str, initial: bytes | None) -> Asking | Finished:
    """Start an exchange with the initial response as it came on the line.

    A mechanism that is not offered is reported as unknown, whatever its response looks like. Raises UnknownMechanism,
    SaslError.
    """
    if not offered(mechanism):
        raise UnknownMechanism("mechanism not offered")
    return begin(mechanism, None if initial is None else decode_initial(initial))


def decode_line(line: bytes) -> bytes:
    """Decode a response line (without CR LF) by strict base64 (RFC 4648 section 3.3).

    Raises Cancelled for `*`, SaslError for what is not base64 or is too long.
    """
    if line == b"*":
        raise Cancelled("authentication cancelled")
    if len(line) > MAX_RESPONSE * 4 // 3 + 4:
        raise SaslError("response too long")
    try:
        return b64decode(line, validate=True)
    except binascii.Error:
        raise SaslError("response is not base64") from None


def decode_initial(argument: bytes) -> bytes:
    """Decode an initial response, where `=` is the empty one (RFC 4954 section 4, RFC 4959 section 3)."""
    return b"" if argument == b"=" else decode_line(argument)


def encode_line(octets: bytes) -> bytes:
    """Encode a challenge or response as base64, without CR LF."""
    return b64encode(octets)


def plain_message(name: str, password: str, authorization: str = "") -> bytes:
    """Make a PLAIN message. Raises SaslError for empty or over-long parts, and for NUL inside one."""
    message = "\0".join((authorization, name, password)).encode("utf-8", "surrogateescape")
    parse_plain(message)
    return message


def parse_plain(message: bytes) -> Plain:
    """Take a PLAIN message apart (RFC 4616 section 2). Raises SaslError."""
    if len(message) > MAX_RESPONSE:
        raise SaslError("response too long")
    parts = message.split(b"\0")
    if len(parts) != 3:
        raise SaslError("not a PLAIN message")
    authorization, name, password = parts
    if not name or not password:
        raise SaslError("name or password is empty")
    if max(map(len, parts)) > MAX_PART:
        raise SaslError("name or password too long")
    try:
        return Plain(name.decode(), password.decode(), authorization.decode())
    except UnicodeDecodeError:
        raise SaslError("name or password is not UTF-8") from None


def _finished(mechanism: str, message: bytes) -> Finished:
    parse_plain(message)
    return Finished(mechanism, message)


def _password_wanted(name: bytes) -> Asking:
    return Asking("LOGIN", b"Password:", _one_part(name))


def _one_part(response: bytes) -> bytes:
    if not response or b"\0" in response or len(response) > MAX_PART:
        raise SaslError("name or password is empty, too long or holds NUL")
    return response
