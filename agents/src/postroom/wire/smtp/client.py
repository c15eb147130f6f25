"""The client side of SMTP and LMTP, without I/O. RFC 5321, RFC 2033, RFC 2920.

Room rule: a conversation is a generator. It yields a Step (send octets, then wait for one reply) or a Payload (send the
message, then wait for one reply) and is sent the reply. The caller owns connections and clocks.
"""

import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias, TypeVar

from postroom.wire.smtp.replies import Reply

# Seconds, RFC 5321 section 4.5.3.2.
GREETING: Final = 300.0
COMMAND: Final = 300.0
DATA_BEGUN: Final = 120.0
DATA_BLOCK: Final = 180.0
DATA_ENDED: Final = 600.0
DATA_FOR_NOBODY: Final = 5.0  # our own choice: only the reuse of the session depends on the reply

_PATH: Final = re.compile(
    r'(?:[^\x00-\x20\x7f-\U0010ffff<>()\\,;:"\[\]@]+|"(?:[ !#-\[\]-~]|\\[ -~])*")@[A-Za-z0-9.:\[\]_-]+'
)
_XTEXT: Final = re.compile(r"[!-*,-<>-~]*(?:\+[0-9A-F]{2}[!-*,-<>-~]*)*")  # RFC 3461 section 4
_MAX_PATH: Final = 510


class SessionRefused(Exception):
    """The server refuses the session. `reply` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class OutOfStep(Exception):
    """The server sent a reply that is not allowed here, so the connection cannot be used any more."""


class BadPath(ValueError):
    """An address that cannot be sent in a command."""


class Step(NamedTuple):
    """Send the octets (perhaps none) and wait at most so many seconds for one reply."""

    octets: bytes
    timeout: float


class Payload(NamedTuple):
    """Send the message, the final dot and then `behind`, and wait for one reply."""

    behind: bytes
    timeout: float


T = TypeVar("T")
Conversation: TypeAlias = Generator[Step | Payload, Reply, T]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The server's extensions: keywords in upper case with their parameters."""

    name: str = ""  # the server's name for itself
    keywords: dict[str, str] = field(default_factory=dict)

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keywords

    @property
    def size_limit(self) -> int:
        """Return the limit in octets, 0 if none is stated. RFC 1870 section 3."""
        text = self.keywords.get("SIZE", "")
        return int(text) if text.isdecimal() and len(text) < 20 else 0

    @property
    def forwards_ident(self) -> bool:
        """Return whether XFORWARD IDENT may be sent."""
        return "IDENT" in self.keywords.get("XFORWARD", "").upper().split()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One transaction's envelope. `recipients` are addresses with their RCPT parameters."""

    sender: str
    recipients: tuple[tuple[str, str], ...]
    size: int = 0
    eight_bit: bool = False
    ident: str = ""
    envid: str = ""
    ret: str = ""


def greeting() -> Conversation[None]:
    """Wait for the greeting. Raises SessionRefused."""
    reply = yield Step(b"", GREETING)
    if reply.code != 220:
        raise SessionRefused(reply)


def hello(name: str, *, lmtp: bool = False) -> Conversation[Capabilities]:
    """Send EHLO, and HELO if the server does not understand that. Raises SessionRefused."""
    verb = b"LHLO " if lmtp else b"EHLO "
    reply = yield Step(verb + name.encode("ascii") + b"\r\n", COMMAND)
    if reply.code == 250:
        return _capabilities(reply)
    if lmtp or not reply.permanent:
        raise SessionRefused(reply)
    reply = yield Step(b"HELO " + name.encode("ascii") + b"\r\n", COMMAND)
    if reply.code != 250:
        raise SessionRefused(reply)
    return Capabilities(reply.text.split(" ")[0])


def _capabilities(reply: Reply) -> Capabilities:
    first, *lines = reply.text.split("\n")
    keywords = {}
    for line in lines:
        keyword, _, parameters = line.strip().partition(" ")
        keywords[keyword.upper()] = parameters
    return Capabilities(first.split(" ")[0], keywords)


def start_tls() -> Conversation[None]:
    """Ask for TLS. The caller starts the handshake. Raises SessionRefused."""
    reply = yield Step(b"STARTTLS\r\n", COMMAND)
    if reply.code != 220:
        raise SessionRefused(reply)


def path(address: str) -> bytes:
    """Return an address in angle brackets; the null sender is `<>`. Raises BadPath."""
    if address and (len(address) > _MAX_PATH or not _PATH.fullmatch(address)):
        raise BadPath("address cannot stand in an SMTP command")
    return b"<" + address.encode("ascii") + b">"


class Transaction:
    """One message to some recipients of one server.

    `replies` has one entry per recipient, None until the server has judged it; the entries count even if the
    conversation ends early. `sent` says that sending the message (and what follows it) has begun.
    """

    def __init__(self, server: Capabilities, outgoing: Outgoing, *, lmtp: bool = False) -> None:
        """Prepare the commands. Raises BadPath."""
        self._lmtp = lmtp
        self._pipelined = "PIPELINING" in server
        self._commands = [*_commands(server, outgoing)]
        self._before = len(self._commands) - 1 - len(outgoing.recipients)  # XFORWARD
        self.replies: list[Reply | None] = [None] * len(outgoing.recipients)
        self.sent = False
        self.reusable = False  # the server is ready for the next transaction

    @property
    def opening(self) -> bytes:
        """Return all commands up to DATA, if they may be pipelined."""
        return b"".join((*self._commands, b"DATA\r\n"))

    def run(self, *, opened: bool = False, behind: bytes = b"") -> Conversation[None]:
        """Run the conversation. `opened`: the opening was already sent after the previous message.

        `behind` is sent after this message: the opening of the next one. Raises SessionRefused (421), OutOfStep.
        """
        begun = yield from self._open(opened)
        accepted = [number for number, reply in enumerate(self.replies) if reply is None]
        if begun is None:
            yield from self._reset()
            return
        if not accepted:
            yield from self._send_nothing()
            return
        self.sent = True
        reply = yield Payload(behind, DATA_ENDED)
        for index, number in enumerate(accepted):
            if index and self._lmtp:
                reply = yield Step(b"", DATA_ENDED)
            self.replies[number] = _checked(reply, final=True)
        self.reusable = reply.code != 421

    def _open(self, opened: bool) -> Conversation[Reply | None]:
        """Send the commands and read their replies. Return the reply to DATA if it is 354."""
        sender: Reply | None = None
        for number, command in enumerate((*self._commands, b"DATA\r\n")):
            if not self._pipelined and self._hopeless(sender):
                return None
            octets = command
            if self._pipelined:
                octets = b"" if number or opened else self.opening
            last = number == len(self._commands)
            reply = yield Step(octets, DATA_BEGUN if last else COMMAND)
            if last:
                return self._data_begun(reply)
            _checked(reply)
            if number == self._before:
                sender = reply
                if not reply.positive:
                    self.replies = [reply] * len(self.replies)
            elif number > self._before and not reply.positive:
                index = number - self._before - 1
                self.replies[index] = self.replies[index] or reply
        return None

    def _hopeless(self, sender: Reply | None) -> bool:
        return sender is not None and (not sender.positive or all(self.replies))

    def _data_begun(self, reply: Reply) -> Reply | None:
        if reply.code == 354:
            return reply
        if reply.positive:
            raise OutOfStep(f"unexpected reply to DATA: {reply}")
        self.replies = [known or reply for known in self.replies]
        if reply.code == 421:
            raise SessionRefused(reply)
        return None

    def _send_nothing(self) -> Conversation[None]:
        """End the data at once if no recipient is left. RFC 2920 section 3.1.

        In LMTP there would be no reply, since there is one per accepted recipient, and a server must not send 354 then
        (RFC 2033 section 4.2).
        """
        if self._lmtp:
            raise OutOfStep("DATA accepted without a recipient")
        # the recipients were judged before, whatever this reply says
        reply = yield Step(b".\r\n", DATA_FOR_NOBODY)
        self.reusable = not reply.closing

    def _reset(self) -> Conversation[None]:
        reply = yield Step(b"RSET\r\n", COMMAND)
        self.reusable = reply.code == 250


def _checked(reply: Reply, *, final: bool = False) -> Reply:
    """Check a reply to any command but DATA. A 421 ends the conversation, except as the reply to the message."""
    if 300 <= reply.code < 400:
        raise OutOfStep(f"unexpected reply: {reply}")
    if reply.code == 421 and not final:
        raise SessionRefused(reply)
    return reply


def _commands(server: Capabilities, outgoing: Outgoing) -> Iterator[bytes]:
    if outgoing.ident and server.forwards_ident:
        yield b"XFORWARD IDENT=" + _xtext(outgoing.ident) + b"\r\n"
    parameters = b""
    if "SIZE" in server and outgoing.size:
        parameters += b" SIZE=%d" % outgoing.size
    if outgoing.eight_bit and "8BITMIME" in server:
        parameters += b" BODY=8BITMIME"
    dsn = "DSN" in server
    if dsn and outgoing.ret:
        parameters += b" RET=" + _xtext(outgoing.ret)
    if dsn and outgoing.envid:
        parameters += b" ENVID=" + _xtext(outgoing.envid)
    yield b"MAIL FROM:" + path(outgoing.sender) + parameters + b"\r\n"
    for address, wishes in outgoing.recipients:
        extra = b" " + wishes.encode("ascii") if dsn and wishes else b""
        yield b"RCPT TO:" + path(address) + extra + b"\r\n"


def _xtext(text: str) -> bytes:
    if not _XTEXT.fullmatch(text):
        raise BadPath("parameter cannot stand in an SMTP command")
    return text.encode("ascii")


def recipient_wishes(notify: str, orcpt: str) -> str:
    """Return RCPT's parameters of RFC 3461 as received."""
    words = []
    if notify and re.fullmatch(r"[A-Z,]+", notify):
        words.append(f"NOTIFY={notify}")
    kind, _, address = orcpt.partition(";")
    if address and re.fullmatch(r"[A-Za-z0-9-]+", kind) and _XTEXT.fullmatch(address):
        words.append(f"ORCPT={orcpt}")
    return " ".join(words)


def stuffed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Double the dots at the beginning of lines, and add the end of data.

    The message must consist of lines that end with CR LF; a last line without its end is given one. RFC 5321 section
    4.5.2.
    """
    tail = b"\r\n"  # the message begins with a new line
    for chunk in chunks:
        if not chunk:
            continue
        piece = chunk.replace(b"\r\n.", b"\r\n..")
        if chunk[:1] == b"." and tail == b"\r\n":
            piece = b"." + piece
        elif tail[-1:] == b"\r" and chunk[:2] == b"\n.":
            piece = b"\n.." + piece[2:]
        tail = (tail + chunk[-2:])[-2:]
        yield piece
    yield b".\r\n" if tail == b"\r\n" else b"\r\n.\r\n"
