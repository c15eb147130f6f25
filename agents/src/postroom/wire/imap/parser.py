"""One whole frame to one command. RFC 3501 section 9.

Room rule: the families say which verbs there are. The text of a refusal never repeats what the client sent.
"""

from collections.abc import Mapping
from typing import Final

from postroom.wire.imap.commands import SELECTED, BadCharset, Command, Reader, State, Tagged, Verb
from postroom.wire.imap.families import FAMILIES
from postroom.wire.imap.framing import Frame
from postroom.wire.imap.names import BadName
from postroom.wire.imap.scanner import BadSyntax, Scanner


class Malformed(Exception):
    """The command cannot be used. `condition` is BAD or NO, `code` a response code or empty, `text` fit for a reply."""

    def __init__(self, tag: bytes, condition: bytes, code: bytes, text: str) -> None:
        super().__init__(text)
        self.tag = tag
        self.condition = condition
        self.code = code
        self.text = text.encode("ascii", "replace")


def _uid(scanner: Scanner) -> Command:
    scanner.space()
    read = _BY_UID.get(scanner.word())
    if read is None:
        scanner.fail("unknown UID command")
    return read(scanner)


_BY_UID: Final[Mapping[bytes, Reader]] = {
    verb: read for family in FAMILIES for verb, read in family.by_uid.items()
}
VERBS: Final[Mapping[bytes, Verb]] = {
    b"UID": Verb(SELECTED, _uid),
    **{name: verb for family in FAMILIES for name, verb in family.verbs.items()},
}


def parse(frame: Frame, state: State) -> Tagged:
    """Return the command in the frame. Raises Malformed."""
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
    return Tagged(tag, name, command, by_uid)


def _sentence(mistake: Exception) -> str:
    text = str(mistake)
    return text[:1].upper() + text[1:]
