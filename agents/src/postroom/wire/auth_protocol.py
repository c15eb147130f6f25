"""Dovecot's authentication protocol, version 1.2, without I/O: what an auth client and an auth server say.

Room rule: lines in, commands out; answers in, lines out. A line is a command and its parameters between TABs,
ended by LF; octets that would break this are escaped with 0x01.
https://doc.dovecot.org/2.3/developer_manual/design/auth_protocol/
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from dataclasses import dataclass, field

MAJOR, MINOR = 1, 2
MAX_LINE = 8192  # octets without the LF
MAX_ID = 2**32 - 1

_SPECIAL = re.compile(rb"[\x00\x01\t\r\n]")
_ESCAPED = re.compile(rb"\x01(.?)", re.DOTALL)
_TO_ESCAPE = {b"\0": b"\x010", b"\x01": b"\x011", b"\t": b"\x01t", b"\r": b"\x01r", b"\n": b"\x01l"}
_FROM_ESCAPE = {b"0": b"\0", b"1": b"\x01", b"t": b"\t", b"r": b"\r", b"l": b"\n"}
_NUMBER = re.compile(rb"[0-9]{1,10}")
_MECHANISM = re.compile(rb"[A-Z0-9_-]{1,20}")  # RFC 4422 section 3.1


class ProtocolError(ValueError):
    """The peer speaks something else. The text is fit for the log: none of the peer's octets are in it."""


@dataclass(frozen=True, slots=True)
class Version:
    """Both sides begin with it; another major number ends the connection."""

    major: int
    minor: int


@dataclass(frozen=True, slots=True)
class ClientPid:
    """CPID: the client's handshake is complete."""

    pid: int


@dataclass(frozen=True, slots=True)
class AuthRequest:
    """AUTH. `response` is the initial response, None without one; `fault` says what is wrong."""

    id: int
    mechanism: str
    service: str = ""
    client: str = ""  # rip
    secured: bool = False
    session: str = ""
    response: bytes | None = field(default=None, repr=False)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Continuation:
    """CONT from a client."""

    id: int
    response: bytes = field(repr=False)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """The client gives the exchange up."""

    id: int


@dataclass(frozen=True, slots=True)
class AuthReply:
    """OK, FAIL or CONT from a server. Parameters without a value have an empty one."""

    verb: str
    id: int
    parameters: dict[str, str] = field(default_factory=dict)
    challenge: bytes = b""


Command = Version | ClientPid | AuthRequest | Continuation | Cancel


def escape(octets: bytes) -> bytes:
    """Escape a parameter for use in a line."""
    return _SPECIAL.sub(lambda found: _TO_ESCAPE[found[0]], octets)


def unescape(octets: bytes) -> bytes:
    """Return the parameter that was escaped."""
    return _ESCAPED.sub(lambda found: _FROM_ESCAPE.get(found[1], found[1]), octets)


def line(*parameters: str | bytes) -> bytes:
    """Return a whole line of these parameters, escaped."""
    encoded = (part.encode("utf-8", "replace") if isinstance(part, str) else part for part in parameters)
    return b"\t".join(map(escape, encoded)) + b"\n"


def server_handshake(pid: int, connection: int, cookie: str, mechanisms: Iterable[str]) -> bytes:
    """Return what a server sends first. `cookie`: 128 bits in hex."""
    offered = b"".join(line("MECH", name, "plaintext") for name in mechanisms)
    head = line("VERSION", str(MAJOR), str(MINOR)) + offered
    return (
        head + line("SPID", str(pid)) + line("CUID", str(connection)) + line("COOKIE", cookie) + line("DONE")
    )


def client_handshake(pid: int) -> bytes:
    """Return what a client sends first."""
    return line("VERSION", str(MAJOR), str(MINOR)) + line("CPID", str(pid))


def auth_request(request: AuthRequest) -> bytes:
    """Return AUTH as a client sends it; `resp` comes last, as the protocol demands."""
    parameters = ["AUTH", str(request.id), request.mechanism, f"service={request.service}"]
    parameters += [f"rip={request.client}"] if request.client else []
    parameters += [f"session={request.session}"] if request.session else []
    parameters += ["secured"] if request.secured else []
    if request.response is not None:
        parameters.append(f"resp={b64encode(request.response).decode()}")
    return line(*parameters)


def continuation(request_id: int, response: bytes) -> bytes:
    """Return CONT, of either side."""
    return line("CONT", str(request_id), b64encode(response))


def ok(request_id: int, user: str, account: str) -> bytes:
    """Return OK. `account` is an extra parameter: others ignore it, our client needs no second look-up."""
    return line("OK", str(request_id), f"user={user}", f"account={account}")


def fail(
    request_id: int, user: str = "", *, code: str = "", reason: str = "", throttled: bool = False
) -> bytes:
    """Return FAIL. `code` is one of the protocol's (temp_fail, authz_fail); `throttled` an extra for our client."""
    parameters = ["FAIL", str(request_id)]
    parameters += [
        f"{name}={value}" for name, value in (("user", user), ("code", code), ("reason", reason)) if value
    ]
    return line(*parameters, *(["throttled"] if throttled else []))


def read_command(octets: bytes) -> Command:
    """Parse a client's line (without LF). Raises ProtocolError."""
    verb, *rest = octets.split(b"\t")
    if verb == b"AUTH" and len(rest) >= 2:
        return _auth(rest)
    if verb == b"CONT" and len(rest) == 2:
        response, fault = _decoded(rest[1])
        return Continuation(_number(rest[0]), response, fault)
    if verb == b"CANCEL" and len(rest) == 1:
        return Cancel(_number(rest[0]))
    if verb == b"VERSION" and len(rest) >= 2:
        return Version(_number(rest[0]), _number(rest[1]))
    if verb == b"CPID" and len(rest) == 1:
        return ClientPid(_number(rest[0]))
    raise ProtocolError("unknown command or missing parameters")


def read_reply(octets: bytes) -> AuthReply | Version | None:
    """Parse a server's line (without LF); return None for what a client may ignore. Raises ProtocolError."""
    verb, *rest = octets.split(b"\t")
    if verb == b"VERSION" and len(rest) >= 2:
        return Version(_number(rest[0]), _number(rest[1]))
    if verb in {b"OK", b"FAIL"} and rest:
        return AuthReply(verb.decode(), _number(rest[0]), _parameters(rest[1:]))
    if verb == b"CONT" and len(rest) == 2:
        return AuthReply("CONT", _number(rest[0]), challenge=_decoded(rest[1])[0])
    if verb in {b"SPID", b"CUID", b"COOKIE", b"MECH", b"DONE"}:
        return None
    raise ProtocolError("unknown reply or missing parameters")


def _auth(rest: list[bytes]) -> AuthRequest:
    if not _MECHANISM.fullmatch(rest[1].upper()):
        raise ProtocolError("malformed mechanism name")
    number, mechanism = _number(rest[0]), rest[1].upper().decode()
    response, fault, before = None, "", rest[2:]
    for index, parameter in enumerate(rest[2:]):
        if parameter.startswith(b"resp="):  # the last one; what follows is ignored
            response, fault = _decoded(parameter[5:])
            before = rest[2 : 2 + index]
            break
    known = _parameters(before)
    secured = "secured" in known or known.get("transport", "").lower() in {"tls", "trusted"}
    service, client, session = (known.get(name, "") for name in ("service", "rip", "session"))
    return AuthRequest(number, mechanism, service, client, secured, session, response, fault)


def _parameters(parts: Iterable[bytes]) -> dict[str, str]:
    known: dict[str, str] = {}
    for part in parts:
        name, _, value = unescape(part).decode("utf-8", "replace").partition("=")
        known.setdefault(name, value)
    return known


def _number(octets: bytes) -> int:
    if not _NUMBER.fullmatch(octets) or (value := int(octets)) > MAX_ID:
        raise ProtocolError("malformed number")
    return value


def _decoded(octets: bytes) -> tuple[bytes, str]:
    try:
        return b64decode(octets, validate=True), ""
    except Base64Error:
        return b"", "invalid base64 data"
