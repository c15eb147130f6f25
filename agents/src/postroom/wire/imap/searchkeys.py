"""Parse SEARCH criteria into the tree of contracts.search. RFC 3501 section 6.4.4, RFC 7162 section 3.1.5.

Room rule: the depth and the size of the tree are limited.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

from postroom.contracts.search import (
    All,
    And,
    Body,
    Day,
    Flagged,
    Header,
    InEnvelope,
    Key,
    Members,
    ModSeq,
    Not,
    Or,
    Recent,
    Size,
    When,
)
from postroom.wire.imap import sequence
from postroom.wire.imap.scanner import Scanner

MAX_DEPTH: Final = 50
MAX_KEYS: Final = 2000
_MONTHS: Final = {
    month: number
    for number, month in enumerate(
        (b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC"), 1
    )
}
_NEW: Final = And((Recent(True), Flagged("\\Seen", False)))
_FIXED: Final[Mapping[bytes, Key]] = {
    b"ALL": All(),
    b"ANSWERED": Flagged("\\Answered", True),
    b"DELETED": Flagged("\\Deleted", True),
    b"DRAFT": Flagged("\\Draft", True),
    b"FLAGGED": Flagged("\\Flagged", True),
    b"NEW": _NEW,
    b"OLD": Recent(False),
    b"RECENT": Recent(True),
    b"SEEN": Flagged("\\Seen", True),
    b"UNANSWERED": Flagged("\\Answered", False),
    b"UNDELETED": Flagged("\\Deleted", False),
    b"UNDRAFT": Flagged("\\Draft", False),
    b"UNFLAGGED": Flagged("\\Flagged", False),
    b"UNSEEN": Flagged("\\Seen", False),
}


def parse_keys(scanner: Scanner, codec: str = "utf-8") -> Key:
    """Parse one or more search keys up to the end of the command; `codec` reads their texts. Raises BadSyntax."""
    reader = _Reader(scanner, codec)
    keys = [reader.key(0)]
    while scanner.accept_space():
        keys.append(reader.key(0))
    return keys[0] if len(keys) == 1 else And(tuple(keys))


def parse_date(text: bytes) -> date | None:
    """Parse date-text such as `1-Feb-1994`; return None for anything else."""
    parts = text.split(b"-")
    if len(parts) != 3 or not 1 <= len(parts[0]) <= 2 or len(parts[2]) != 4:
        return None
    month = _MONTHS.get(parts[1].upper())
    if month is None or not parts[0].isdigit() or not parts[2].isdigit():
        return None
    try:
        return date(int(parts[2]), month, int(parts[0]))
    except ValueError:
        return None


class _Reader:
    __slots__ = ("_codec", "_left", "_scanner")

    def __init__(self, scanner: Scanner, codec: str) -> None:
        self._scanner = scanner
        self._codec = codec
        self._left = MAX_KEYS

    def key(self, depth: int) -> Key:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            self._scanner.fail("search too complex")
        if self._scanner.accept_open():
            return self._group(depth)
        if self._scanner.peek(b"*"):
            return Members(sequence.parse(self._scanner.sequence_text()).ranges, uid=False)
        word = self._scanner.word()
        if word[:1].isdigit():
            return self._numbers(word)
        if word in _FIXED:
            return _FIXED[word]
        reader = _WITH_ARGUMENT.get(word)
        if reader is None:
            self._scanner.fail("unknown search key")
        self._scanner.space()
        return reader(self, word, depth)

    def _numbers(self, word: bytes) -> Key:
        # `*` is no atom character: `1:*` comes in two pieces.
        rest = self._scanner.sequence_text() if self._scanner.peek(b"*") else b""
        return Members(sequence.parse(word + rest).ranges, uid=False)

    def _group(self, depth: int) -> Key:
        keys = [self.key(depth + 1)]
        while self._scanner.accept_space():
            keys.append(self.key(depth + 1))
        self._scanner.close()
        return keys[0] if len(keys) == 1 else And(tuple(keys))

    def text(self) -> str:
        return self._scanner.astring().decode(self._codec, "replace")

    def address_or_subject(self, word: bytes, _depth: int) -> Key:
        return InEnvelope(word, self.text())

    def header(self, _word: bytes, _depth: int) -> Key:
        name = self._scanner.astring().upper()
        self._scanner.space()
        return Header(name, self.text())

    def body(self, word: bytes, _depth: int) -> Key:
        return Body(self.text(), header=word == b"TEXT")

    def keyword(self, word: bytes, _depth: int) -> Key:
        return Flagged(self._scanner.atom().decode("ascii"), present=word == b"KEYWORD")

    def size(self, word: bytes, _depth: int) -> Key:
        return Size(self._scanner.number(), larger=word == b"LARGER")

    def day(self, word: bytes, _depth: int) -> Key:
        text = self._scanner.string() if self._scanner.at_string else self._scanner.atom()
        day = parse_date(text)
        if day is None:
            self._scanner.fail("date expected")
        sent = word.startswith(b"SENT")
        return Day(When(word.removeprefix(b"SENT").decode().lower()), day, sent)

    def uids(self, _word: bytes, _depth: int) -> Key:
        return Members(sequence.parse(self._scanner.sequence_text()).ranges, uid=True)

    def modseq(self, _word: bytes, _depth: int) -> Key:
        # One mod-sequence is kept per message, so the entry's name and type change nothing.
        if self._scanner.peek(b'"'):
            self._scanner.string()
            self._scanner.space()
            if self._scanner.word() not in (b"PRIV", b"SHARED", b"ALL"):
                self._scanner.fail("priv, shared or all expected")
            self._scanner.space()
        return ModSeq(self._scanner.mod_sequence())

    def negation(self, _word: bytes, depth: int) -> Key:
        return Not(self.key(depth + 1))

    def either(self, _word: bytes, depth: int) -> Key:
        left = self.key(depth + 1)
        self._scanner.space()
        return Or(left, self.key(depth + 1))


_WITH_ARGUMENT: Final[Mapping[bytes, Callable[[_Reader, bytes, int], Key]]] = {
    **dict.fromkeys((b"BCC", b"CC", b"FROM", b"SUBJECT", b"TO"), _Reader.address_or_subject),
    **dict.fromkeys((b"BODY", b"TEXT"), _Reader.body),
    **dict.fromkeys((b"KEYWORD", b"UNKEYWORD"), _Reader.keyword),
    **dict.fromkeys((b"LARGER", b"SMALLER"), _Reader.size),
    **dict.fromkeys(
        (b"BEFORE", b"ON", b"SINCE", b"SENTBEFORE", b"SENTON", b"SENTSINCE"),
        _Reader.day,
    ),
    b"HEADER": _Reader.header,
    b"UID": _Reader.uids,
    b"MODSEQ": _Reader.modseq,
    b"NOT": _Reader.negation,
    b"OR": _Reader.either,
}
