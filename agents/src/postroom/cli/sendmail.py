"""postroom-sendmail: the command with which local programs send mail; also mailq and newaliases.

It needs no privileges: it speaks SMTP to this host's msa socket as the calling user. It imports nothing that a short
message does not need. Exit statuses are those of sysexits.h.
"""

import os
import pwd
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn

from postroom.cli import localsubmission as local
from postroom.mail.address import quoted_local
from postroom.mail.headermailboxes import parse_address_list
from postroom.mail.headers import Field, mended
from postroom.mail.phrases import phrase
from postroom.mail.tidying import tidied
from postroom.mail.untidy import read_untidy

EX_OK, EX_USAGE, EX_DATAERR, EX_NOUSER = 0, 64, 65, 67
EX_TEMPFAIL = 75

SOCKET: Final = "/run/postroom/submit.sock"
SOCKET_VARIABLE: Final = "POSTROOM_SENDMAIL_SOCKET"  # for a sandbox

_WITH_VALUE: Final = frozenset("fFrNRVBCLOXhpo")  # options with a value, attached or in the next argument
_FLAGS: Final = frozenset("tinvmsGU")
_LOCAL_NAME: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
# a plain address; the msa decides whether it is valid
_BARE: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9._-]+")
_UNSAFE: Final = re.compile(r"[^ -~]")
_TIDY: Final = frozenset({b"to", b"cc", b"reply-to"})
_TO: Final = (b"to", b"cc", b"bcc")
_RESENT: Final = (b"resent-to", b"resent-cc", b"resent-bcc")


class SendmailError(Exception):
    """The command cannot do what was requested: an exit status and one line."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class Options:
    """The options of the command line."""

    mode: str = "m"
    from_header: bool = False  # -t
    ignore_dots: bool = False  # -i
    sender: str | None = None
    name: str = ""
    verbose: bool = False
    recipients: list[str] = field(default_factory=list)


def main(arguments: list[str] | None = None, called: str = "") -> NoReturn:
    """Run the console script."""
    called = called or os.path.basename(sys.argv[0])
    try:
        sys.exit(_run(called, sys.argv[1:] if arguments is None else arguments))
    except SendmailError as refused:
        _tell(str(refused))
        sys.exit(refused.status)
    except local.SubmissionFailed as failure:
        _tell(str(failure))
        sys.exit(failure.status)
    except KeyboardInterrupt:
        sys.exit(EX_TEMPFAIL)


def _tell(text: str) -> None:
    sys.stderr.write(f"sendmail: {_UNSAFE.sub('?', text)}\n")


def _run(called: str, arguments: list[str]) -> int:
    options = parse(arguments)
    if called == "mailq" or options.mode == "p":
        from postroom.cli.mailq import show  # noqa: PLC0415  # most calls never list the queue

        show(sys.stderr)
    if called == "newaliases" or options.mode in ("i", "q"):
        return EX_OK  # the directory holds the aliases, and the relay needs no trigger
    path = os.environ.get(SOCKET_VARIABLE) or SOCKET
    if options.mode == "s":
        return local.pass_through(path)
    return _send(options, path)


def parse(arguments: list[str]) -> Options:
    """Parse the options of sendmail(1) that programs use. Raises SendmailError."""
    options = Options()
    words = iter(arguments)
    for word in words:
        if word == "--":
            options.recipients += words
        elif word.startswith("-") and len(word) > 1:
            _option(options, word[1:], words)
        else:
            options.recipients.append(word)
    for text in (*options.recipients, options.sender or "", options.name):
        if not text.isprintable():
            raise SendmailError(EX_USAGE, "control character in an argument")
    return options


def _option(options: Options, word: str, words: Iterator[str]) -> None:
    while word:
        letter, word = word[0], word[1:]
        if letter == "b":
            if word[:1] not in ("m", "s", "p", "i"):
                raise SendmailError(EX_USAGE, f"mode -b{word} is not offered")
            options.mode = word[0]
            return
        if letter == "q":
            options.mode = "q"
            return
        if letter in "eA":
            return  # errors are always reported by exit status, and there is only one configuration
        if letter in _WITH_VALUE:
            value = word or next(words, None)
            if value is None:
                raise SendmailError(EX_USAGE, f"option -{letter} needs a value")
            _set(options, letter, value)
            return
        if letter not in _FLAGS:
            raise SendmailError(EX_USAGE, f"unknown option -{letter}")
        options.from_header |= letter == "t"
        options.ignore_dots |= letter == "i"
        options.verbose |= letter == "v"


def _set(options: Options, letter: str, value: str) -> None:
    if letter in "fr":
        options.sender = value
    elif letter == "F":
        options.name = value
    elif letter == "o" and value == "i":
        options.ignore_dots = True


def _send(options: Options, path: str) -> int:
    message = Message(read_message(sys.stdin.buffer.read(), ignore_dots=options.ignore_dots))
    wanted = [address for words in options.recipients for address in _named(words)]
    if options.from_header:
        wanted += message.recipients()
        message.tidy()
        message.drop(b"bcc", b"resent-bcc")
    if not wanted:
        raise SendmailError(EX_DATAERR if options.from_header else EX_USAGE, "no recipient addresses given")
    with local.connect(path, verbose=options.verbose) as connection:
        sender = sender_of(options.sender, connection.host)
        message.complete(sender or f"{user()}@{connection.host}", options.name or full_name())
        refused = connection.send(
            sender, [qualified(one, connection.host) for one in dict.fromkeys(wanted)], message.octets()
        )
    for reply in refused:
        _tell(reply)
    return EX_NOUSER if refused else EX_OK


def _named(words: str) -> list[str]:
    """Return the addresses in one argument. Raises SendmailError: it holds none, and would be lost silently."""
    found = addresses(words.encode())
    if not found and words.strip(" ,;"):
        raise SendmailError(EX_USAGE, "an argument holds no address")
    return found


def read_message(octets: bytes, *, ignore_dots: bool) -> bytes:
    """Convert standard input to CR LF line ends, up to a line with only a dot unless `ignore_dots` is set.

    Raises SendmailError if the input contains NUL, which mail may not contain.
    """
    text = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not ignore_dots:
        if text == b"." or text.startswith(b".\n"):
            text = b""
        elif (end := text.find(b"\n.\n")) >= 0:
            text = text[: end + 1]
        elif text.endswith(b"\n."):
            text = text[:-1]
    if b"\0" in text:
        raise SendmailError(EX_DATAERR, "NUL in the message")
    if text and not text.endswith(b"\n"):
        text += b"\n"
    return text.replace(b"\n", b"\r\n")


class Message:
    """A message whose header is parsed and completed."""

    def __init__(self, octets: bytes) -> None:
        self._fields, start = mended(octets)
        self._body = octets[start:]

    def _name(self, field: bytes) -> bytes:
        return field.partition(b":")[0].strip(b" \t").lower()

    def all(self, *names: bytes) -> list[bytes]:
        """Return the unfolded values of the fields with these names."""
        found = [one for one in self._fields if self._name(one) in names]
        return [one.partition(b":")[2].replace(b"\r\n", b"").strip(b" \t") for one in found]

    def drop(self, *names: bytes) -> None:
        """Remove the fields with these names."""
        self._fields = [one for one in self._fields if self._name(one) not in names]

    def recipients(self) -> list[str]:
        """Return the addresses of To, Cc and Bcc, or of their Resent forms if there are any. Raises SendmailError."""
        values = self.all(*_RESENT) or self.all(*_TO)
        return [address for value in values for address in addresses(value)]

    def tidy(self) -> None:
        """Quote the names that need it in To, Cc and Reply-To (the msa does this in From and Sender)."""
        self._fields = [self._tidied(one) for one in self._fields]

    def _tidied(self, raw: bytes) -> bytes:
        field = Field(self._name(raw), raw, 0)
        # A list may contain local names, which are not addresses yet.
        return (
            tidied(field) if field.key in _TIDY and b"," not in raw and _is_one_untidy(field.value) else raw
        )

    def complete(self, sender: str, name: str) -> None:
        """Add From if it is missing (the msa adds Date and Message-ID). Raises SendmailError."""
        if any(self.all(b"from")):
            return
        self.drop(b"from")
        if not sender.isascii():
            raise SendmailError(EX_DATAERR, "the sender's address is not ASCII")
        self._fields.insert(0, f"From: {phrase(name)}<{sender}>\r\n".encode("ascii"))

    def octets(self) -> bytes:
        """Return the whole message."""
        return b"".join((*self._fields, b"\r\n", self._body))


def addresses(value: bytes) -> list[str]:
    """Return the addresses and local names of an unfolded address field. Raises SendmailError: it cannot be parsed."""
    items = [value] if b"," not in value and _is_one_untidy(value) else split_list(value)
    return [address for item in items for address in _item(item)]


def _is_one_untidy(value: bytes) -> bool:
    """Tell whether the only address follows a name with colons or semicolons."""
    return bool(read_untidy(value).angle) and bool(parse_address_list(value).malformed)


def _item(item: bytes) -> list[str]:
    bare = item.strip(b" \t")
    inner = bare[bare.rfind(b"<") + 1 : -1] if bare.endswith(b">") else bare
    if _LOCAL_NAME.fullmatch(inner) or _BARE.fullmatch(bare):
        return [inner.decode("ascii")]
    result = parse_address_list(item)
    if result.malformed and (angle := read_untidy(item).angle):
        if _LOCAL_NAME.fullmatch(angle) or _BARE.fullmatch(angle):
            return [angle.decode("ascii")]
        result = parse_address_list(b"<" + angle + b">")
    if result.malformed:
        raise SendmailError(EX_DATAERR, f"cannot read an address: {result.malformed}")
    found = [
        f"{quoted_local(mailbox.local.decode('utf-8', 'replace'))}@{mailbox.domain.decode('utf-8', 'replace')}"
        for mailbox in result.mailboxes
    ]
    if not all(map(str.isprintable, found)):
        raise SendmailError(EX_DATAERR, "control character in an address")
    return found


_SPLIT: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|\[[^\[\]]*\]|\\.|[^"\\(),:;<>\[]+|.', re.DOTALL)


def split_list(value: bytes) -> list[bytes]:
    """Split at commas outside quotes and angle brackets; drop comments and group names."""
    items: list[bytes] = []
    item, depth, angle = b"", 0, False
    for token in _SPLIT.findall(value):
        if token == b"(" or depth:
            depth += (token == b"(") - (token == b")")
        elif not angle and token in (b",", b";"):
            items.append(item)
            item = b""
        elif not angle and token == b":":
            item = b""
        else:
            angle = token == b"<" or (angle and token != b">")
            item += token
    items.append(item + b"(" * depth)  # keep an unclosed comment, so that the parser reports it
    return [one for one in items if one.strip(b" \t")]


def user() -> str:
    """Return the caller's user name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"


def full_name() -> str:
    """Return the caller's full name from the user database, or an empty string."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_gecos.partition(",")[0]
    except KeyError:
        return ""
    return name if name.isprintable() else ""


def sender_of(given: str | None, host: str) -> str:
    """Return the envelope sender: `-f`, or the caller on this host; "" is the null sender."""
    if given is None:
        return f"{user()}@{host}"
    if given.strip() in ("", "<>"):
        return ""
    found = addresses(given.encode())
    if len(found) != 1:
        raise SendmailError(EX_USAGE, "the sender is not one address")
    return qualified(found[0], host)


def qualified(address: str, host: str) -> str:
    """Return the address; add the host as domain if it has none."""
    return address if "@" in address else f"{address}@{host}"
