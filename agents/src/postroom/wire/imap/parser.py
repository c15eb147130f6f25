"""One whole frame to one command. RFC 3501 section 9 and the extensions' grammars.

Room rule: a table from verb to the states that allow it and the function that reads its arguments. What is said
to the client about a mistake never repeats what the client sent.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, NamedTuple

from postroom.mail.charsets import codec_of
from postroom.wire.imap import arguments, commands, listing
from postroom.wire.imap.framing import Frame
from postroom.wire.imap.names import BadName
from postroom.wire.imap.scanner import BadSyntax, Scanner
from postroom.wire.imap.searchkeys import parse_keys


class State(Enum):
    """RFC 3501 section 3."""

    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"
    LOGOUT = "logout"


class Malformed(Exception):
    """The command cannot be used. `condition` is BAD or NO; `code` a response code or empty; all fit for the reply."""

    def __init__(self, tag: bytes, condition: bytes, code: bytes, text: str) -> None:
        super().__init__(text)
        self.tag = tag
        self.condition = condition
        self.code = code
        self.text = text.encode("ascii", "replace")


class BadCharset(Exception):
    """SEARCH in a charset that is not offered."""


Reader = Callable[[Scanner], commands.Command]


class Verb(NamedTuple):
    """Where a command may stand, and how its arguments are read (the cursor stands behind the verb)."""

    states: frozenset[State]
    read: Reader


def _bare(command: commands.Command) -> Reader:
    return lambda scanner: command


def _mailbox_of(make: Callable[[str], commands.Command]) -> Reader:
    def read(scanner: Scanner) -> commands.Command:
        scanner.space()
        return make(arguments.mailbox(scanner))

    return read


def _uid(scanner: Scanner) -> commands.Command:
    scanner.space()
    read = _BY_UID.get(scanner.word())
    if read is None:
        scanner.fail("unknown UID command")
    return read(scanner)


def _codec(charset: bytes) -> str:
    codec = codec_of(charset.decode("latin-1"))
    if codec is None:
        raise BadCharset
    return codec


def _search(uid: bool) -> Reader:
    def read(scanner: Scanner) -> commands.Command:
        scanner.space()
        results = arguments.search_results(scanner)
        codec = "utf-8"
        if scanner.accept_word(b"CHARSET"):
            scanner.space()
            codec = _codec(scanner.astring())
            scanner.space()
        return commands.Search(parse_keys(scanner, codec), uid, results)

    return read


_ANY: Final = frozenset({State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED})
_BEFORE: Final = frozenset({State.NOT_AUTHENTICATED})
_AFTER: Final = frozenset({State.AUTHENTICATED, State.SELECTED})
_SELECTED: Final = frozenset({State.SELECTED})

_BY_UID: Final[Mapping[bytes, Reader]] = {
    b"COPY": arguments.copy(uid=True, move=False),
    b"EXPUNGE": arguments.uid_expunge,
    b"FETCH": arguments.fetch(uid=True),
    b"MOVE": arguments.copy(uid=True, move=True),
    b"SEARCH": _search(True),
    b"STORE": arguments.store(uid=True),
}
VERBS: Final[Mapping[bytes, Verb]] = {
    b"CAPABILITY": Verb(_ANY, _bare(commands.Capability())),
    b"NOOP": Verb(_ANY, _bare(commands.Noop())),
    b"LOGOUT": Verb(_ANY, _bare(commands.Logout())),
    b"ID": Verb(_ANY, arguments.identification),
    b"STARTTLS": Verb(_BEFORE, _bare(commands.StartTls())),
    b"AUTHENTICATE": Verb(_BEFORE, arguments.authenticate),
    b"LOGIN": Verb(_BEFORE, arguments.login),
    b"ENABLE": Verb(_AFTER, arguments.enable),
    b"NAMESPACE": Verb(_AFTER, _bare(commands.Namespace())),
    b"SELECT": Verb(_AFTER, arguments.select(writable=True)),
    b"EXAMINE": Verb(_AFTER, arguments.select(writable=False)),
    b"CREATE": Verb(_AFTER, arguments.create),
    b"DELETE": Verb(_AFTER, _mailbox_of(commands.Delete)),
    b"RENAME": Verb(_AFTER, arguments.rename),
    b"SUBSCRIBE": Verb(_AFTER, _mailbox_of(lambda name: commands.Subscribe(name, True))),
    b"UNSUBSCRIBE": Verb(_AFTER, _mailbox_of(lambda name: commands.Subscribe(name, False))),
    b"LIST": Verb(_AFTER, listing.read_list),
    b"LSUB": Verb(_AFTER, listing.read_lsub),
    b"STATUS": Verb(_AFTER, listing.read_status),
    b"APPEND": Verb(_AFTER, arguments.append),
    b"IDLE": Verb(_AFTER, _bare(commands.Idle())),
    b"GETQUOTA": Verb(_AFTER, arguments.get_quota),
    b"GETQUOTAROOT": Verb(_AFTER, _mailbox_of(commands.GetQuotaRoot)),
    b"SETQUOTA": Verb(_AFTER, arguments.set_quota),
    b"CHECK": Verb(_SELECTED, _bare(commands.Check())),
    b"CLOSE": Verb(_SELECTED, _bare(commands.Close())),
    b"UNSELECT": Verb(_SELECTED, _bare(commands.Unselect())),
    b"EXPUNGE": Verb(_SELECTED, _bare(commands.Expunge())),
    b"SEARCH": Verb(_SELECTED, _search(False)),
    b"FETCH": Verb(_SELECTED, arguments.fetch(uid=False)),
    b"STORE": Verb(_SELECTED, arguments.store(uid=False)),
    b"COPY": Verb(_SELECTED, arguments.copy(uid=False, move=False)),
    b"MOVE": Verb(_SELECTED, arguments.copy(uid=False, move=True)),
    b"UID": Verb(_SELECTED, _uid),
}


def parse(frame: Frame, state: State) -> commands.Tagged:
    """The command in the frame. Raises Malformed."""
    scanner = Scanner(frame)
    tag = b"*"
    try:
        tag = scanner.tag()
        scanner.expect(b" ")
        name = scanner.word()
        verb = VERBS.get(name)
        if verb is None:
            scanner.fail("unknown command")
        if state not in verb.states:
            scanner.fail(f"command not allowed when {state.value}")
        command = verb.read(scanner)
        scanner.end()
    except BadSyntax as mistake:
        raise Malformed(tag, b"BAD", b"", _sentence(mistake)) from None
    except BadName as mistake:
        raise Malformed(tag, b"NO", b"CANNOT", _sentence(mistake)) from None
    except BadCharset:
        raise Malformed(tag, b"NO", b"BADCHARSET (US-ASCII UTF-8)", "Charset not supported") from None
    by_uid = name == b"UID"
    if by_uid:
        name += b" " + frame.text.split(None, 3)[2].upper()
    return commands.Tagged(tag, name, command, by_uid)


def _sentence(mistake: Exception) -> str:
    text = str(mistake)
    return text[:1].upper() + text[1:]
