"""Command lines: verbs, paths, parameters. RFC 5321 sections 4.1.1 and 4.1.2, RFC 3461 section 4.

Room rule: strict in form, liberal in names. A line that breaks the grammar is refused with its own reply, never
repaired. Exceptions, since many programs send such: white space after `FROM:` and `TO:` and inside the angle brackets,
a path without them, and any name in EHLO.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from postroom.mail.address import Address, AddressError, parse_path
from postroom.wire.smtp.replies import Reply

MAX_COMMAND: Final = 512  # RFC 5321 section 4.5.3.1.4, with the line end
MAX_MAIL_OR_RCPT: Final = 2048  # RFC 3461 section 4.1 requires the most, for the parameters of all extensions

_VERB: Final = re.compile(rb"[A-Za-z][A-Za-z0-9]*")
_PARAMETER: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?")  # RFC 5321 esmtp-param
_XTEXT: Final = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")  # RFC 3461 section 4
_XCHAR: Final = re.compile(r"\+([0-9A-F]{2})")
_GREETINGS: Final = frozenset({"EHLO", "HELO", "LHLO"})
_NOT_ASCII: Final = re.compile(r"[^\0-\x7f]")
_MAX_HELO: Final = 255
# could start or end something in a Received field or a log line
_HARMFUL: Final = re.compile(r'[^!-~]|[<>()\\",;@]')
_ROUTE: Final = re.compile(r"@[A-Za-z0-9._-]+(?:,@[A-Za-z0-9._-]+)*:")

SYNTAX: Final = Reply(501, "5.5.4", "Syntax error in parameters or arguments")
BAD_LINE: Final = Reply(500, "5.5.2", "Syntax error, command unrecognized")
BAD_SENDER: Final = Reply(501, "5.1.7", "Bad sender address syntax")
BAD_RECIPIENT: Final = Reply(501, "5.1.3", "Bad recipient address syntax")
NOT_IMPLEMENTED: Final = Reply(555, "5.5.4", "Parameter not recognized or not implemented")

POSTMASTER: Final = Address("postmaster", "")  # `<postmaster>` without a domain, RFC 5321 section 4.1.1.3


# The parameters of a command: keyword to the parser of its value, which is "" if the client gives none
Grammar = Mapping[str, Callable[[str], Any]]
NO_PARAMETERS: Final[Grammar] = {}


class CommandError(ValueError):
    """The peer's line is refused with `reply`."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class Command(NamedTuple):
    """A verb in upper case and its argument, stripped of white space."""

    verb: str
    argument: str


class Mail(NamedTuple):
    """MAIL FROM. `sender` is None for the null sender; `size` is 0 when not declared. `parameters`: parsed values."""

    sender: Address | None
    size: int = 0
    body: str = "7BIT"
    parameters: Mapping[str, Any] = {}


class Recipient(NamedTuple):
    """RCPT TO. `address` may be POSTMASTER."""

    address: Address
    parameters: Mapping[str, Any] = {}


def parse_command(line: bytes) -> Command:
    """Parse one line without its CR LF.

    Octets that are not ASCII become `?` in a greeting. Raises CommandError: no verb, a control character, or octets
    that are not ASCII elsewhere.
    """
    name, _, argument = line.partition(b" ")
    if not _VERB.fullmatch(name):
        raise CommandError(BAD_LINE)
    verb = name.decode("ascii").upper()
    text = argument.decode("latin-1").strip(" ")
    if verb in _GREETINGS:
        text = _NOT_ASCII.sub("?", text)
    if not text.isascii() or not text.isprintable():
        raise CommandError(BAD_LINE)
    return Command(verb, text)


def parse_helo(argument: str) -> str:
    """Return the name that a client gives itself. Whether the name is a good one is not a matter of syntax.

    The result has at most 255 printable ASCII characters; `?` replaces spaces and everything that could end a word, a
    comment or an address in a header field or in the log. Raises CommandError if it is empty.
    """
    if not argument:
        raise CommandError(SYNTAX)
    return _HARMFUL.sub("?", argument[:_MAX_HELO])


def parse_mail(argument: str, grammar: Grammar) -> Mail:
    """Parse what follows `MAIL`. `grammar`: the parameters of the extensions that were offered. Raises CommandError."""
    path, rest = _path(argument, "FROM:", BAD_SENDER)
    sender = _address(path, BAD_SENDER) if path else None
    parameters = parse_parameters(rest, grammar)
    return Mail(sender, parameters.get("SIZE", 0), parameters.get("BODY", "7BIT"), parameters)


def parse_rcpt(argument: str, grammar: Grammar) -> Recipient:
    """Parse what follows `RCPT`. Raises CommandError."""
    path, rest = _path(argument, "TO:", BAD_RECIPIENT)
    address = POSTMASTER if path.lower() == "postmaster" else _address(path, BAD_RECIPIENT)
    return Recipient(address, parse_parameters(rest, grammar))


def parse_parameters(text: str, grammar: Grammar) -> dict[str, Any]:
    """Parse `KEY=value KEY` into a mapping with keys in upper case.

    Raises CommandError: malformed, unknown, given twice, or a value that the keyword's own parser refuses.
    """
    found: dict[str, str] = {}
    for word in text.split():
        match = _PARAMETER.fullmatch(word)
        if match is None:
            raise CommandError(SYNTAX)
        key = match[1].upper()
        if key not in grammar:
            raise CommandError(NOT_IMPLEMENTED)
        if key in found:
            raise CommandError(SYNTAX)
        found[key] = match[2] or ""
    return {key: grammar[key](value) for key, value in found.items()}


def xtext_decoded(text: str) -> str:
    """Decode xtext. RFC 3461 section 4. Raises CommandError: malformed, or with an encoded control character."""
    if not _XTEXT.fullmatch(text):
        raise CommandError(SYNTAX)
    decoded = _XCHAR.sub(lambda match: chr(int(match[1], 16)), text)
    if not decoded.isprintable():
        raise CommandError(SYNTAX)
    return decoded


def xtext(text: str) -> str:
    """Encode ASCII text as xtext."""
    return "".join(char if "!" <= char <= "~" and char not in "+=" else f"+{ord(char):02X}" for char in text)


def _path(argument: str, keyword: str, refusal: Reply) -> tuple[str, str]:
    """Return the path inside the angle brackets, or an address without any, and what follows it."""
    if argument[: len(keyword)].upper() != keyword:
        raise CommandError(SYNTAX)
    rest = argument[len(keyword) :].lstrip(" ")
    if not rest.startswith("<"):
        end = _outside_of_quotes(rest, " ")
        path, tail = (rest, "") if end < 0 else (rest[:end], rest[end:])
        if not path:
            raise CommandError(refusal)
        return path, tail
    end = _outside_of_quotes(rest, ">")
    if end < 0:
        raise CommandError(refusal)
    tail = rest[end + 1 :]
    if tail and not tail.startswith(" "):
        raise CommandError(SYNTAX)
    return rest[1:end].strip(" "), tail


def _outside_of_quotes(text: str, wanted: str) -> int:
    """Return the index of the first such character outside of quotes, or -1."""
    if '"' not in text:
        return text.find(wanted)
    quoted = escaped = False
    for index, char in enumerate(text[:1024]):
        if escaped:
            escaped = False
        elif quoted and char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char == wanted and not quoted:
            return index
    return -1


def _address(path: str, refusal: Reply) -> Address:
    if path.startswith("@") and (route := _ROUTE.match(path)):
        path = path[route.end() :]  # a source route is accepted and ignored, RFC 5321 section 4.1.1.3
    try:
        return parse_path(path)
    except AddressError as error:
        raise CommandError(refusal) from error
