"""The tokens of RFC 3501 section 9, read from one command.

Room rule: each method reads one production at the cursor or raises BadSyntax; none looks back. Some clients write more
than one space between arguments, or spaces inside parentheses and at the end; all of these are accepted.
"""

import re
from typing import Final, NoReturn

from postroom.wire.imap.framing import Frame

_ATOM: Final = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]++")
_ASTRING: Final = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]++")
_LIST: Final = re.compile(rb"[!#$%&'*+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]++")
_TAG: Final = re.compile(rb"[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]{1,64}+(?= |\Z)")
# Many clients send passwords with octets above 127 in quoted strings; mailbox names refuse them later.
_QUOTED: Final = re.compile(rb'"((?:[^"\\\r\n]|\\["\\])*+)"')
_ESCAPE: Final = re.compile(rb"\\(.)")
_ANNOUNCED: Final = re.compile(rb"\{\d++\+?\}\r\n")
_NUMBER: Final = re.compile(rb"\d{1,20}+")
_FLAG: Final = re.compile(rb"\\?[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]++")
_SET: Final = re.compile(rb"[0-9*:,]++")
_ITEM: Final = re.compile(rb"[A-Za-z0-9.]++")
_SECTION: Final = re.compile(rb"[A-Za-z.]++")
_SPACES: Final = re.compile(rb" ++")
_SPACES_BETWEEN: Final = re.compile(rb" ++(?![)]|\Z)")
_OPEN: Final = re.compile(rb"\( *+")
_CLOSE: Final = re.compile(rb" *+\)")
_END: Final = re.compile(rb" *+\Z")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/=]++")


class BadSyntax(ValueError):
    """The command does not follow the grammar. The text is fit for a BAD reply."""


class Scanner:
    """A cursor in one command."""

    __slots__ = ("_at", "_literals", "_text")

    def __init__(self, frame: Frame) -> None:
        self._text = frame.text
        self._at = 0
        self._literals = iter(frame.literals)

    def _take(self, pattern: re.Pattern[bytes], what: str) -> bytes:
        found = pattern.match(self._text, self._at)
        if found is None:
            self.fail(f"{what} expected")
        self._at = found.end()
        return found[0]

    def fail(self, text: str) -> NoReturn:
        """Raise BadSyntax."""
        raise BadSyntax(text)

    def peek(self, octets: bytes) -> bool:
        """Tell whether these octets come next."""
        return self._text.startswith(octets, self._at)

    def accept(self, octets: bytes) -> bool:
        """Take these octets when they come next."""
        if not self._text.startswith(octets, self._at):
            return False
        self._at += len(octets)
        return True

    def accept_word(self, word: bytes) -> bool:
        """Take this word, in any case, when it comes next and ends there."""
        end = self._at + len(word)
        if self._text[self._at : end].upper() != word or _ATOM.match(self._text, end):
            return False
        self._at = end
        return True

    def expect(self, octets: bytes) -> None:
        """Take exactly these octets."""
        if not self.accept(octets):
            self.fail("space expected" if octets == b" " else f"{octets.decode()} expected")

    def space(self) -> None:
        """Take one or more SP."""
        self._take(_SPACES, "space")

    def accept_space(self) -> bool:
        """Take SP before another argument; leave spaces at the end of a list or of the command."""
        return self._accept(_SPACES_BETWEEN)

    def open(self) -> None:
        """Take the parenthesis that begins a list."""
        self._take(_OPEN, "(")

    def accept_open(self) -> bool:
        """Take the parenthesis that begins a list, when it comes next."""
        return self._accept(_OPEN)

    def close(self) -> None:
        """Take the parenthesis that ends a list."""
        self._take(_CLOSE, ")")

    def accept_close(self) -> bool:
        """Take the parenthesis that ends a list, when it comes next."""
        return self._accept(_CLOSE)

    def _accept(self, pattern: re.Pattern[bytes]) -> bool:
        found = pattern.match(self._text, self._at)
        if found is None:
            return False
        self._at = found.end()
        return True

    def end(self) -> None:
        """Take the end of the command. Raises BadSyntax when there is more."""
        if not self._accept(_END):
            self.fail("nothing more expected")

    def tag(self) -> bytes:
        """Take a command's tag of at most 64 octets."""
        return self._take(_TAG, "tag")

    def atom(self) -> bytes:
        """Take an atom, as written."""
        return self._take(_ATOM, "word")

    def word(self) -> bytes:
        """Take an atom, in upper case."""
        return self.atom().upper()

    def number(self, limit: int = 0xFFFFFFFF) -> int:
        """Take a number of at most `limit`."""
        value = int(self._take(_NUMBER, "number"))
        if value > limit:
            self.fail("number too large")
        return value

    def mod_sequence(self) -> int:
        """Take mod-sequence-valzer: 63 bits (RFC 7162 section 7)."""
        return self.number((1 << 63) - 1)

    def flag(self) -> bytes:
        """Take a flag or keyword, as written."""
        return self._take(_FLAG, "flag")

    def item_word(self) -> bytes:
        """Take the name of a FETCH item, without its section."""
        return self._take(_ITEM, "FETCH item")

    def section_word(self) -> bytes:
        """Take the text name in a section."""
        return self._take(_SECTION, "section")

    def peek_digit(self) -> bool:
        """Return whether a digit comes next."""
        return self._text[self._at : self._at + 1].isdigit()

    def sequence_text(self) -> bytes:
        """Take the octets of a sequence-set, not yet checked."""
        return self._take(_SET, "message set")

    def base64_text(self) -> bytes:
        """Take octets that may be base64, or `=`."""
        return self._take(_BASE64, "base64")

    def string(self) -> bytes:
        """Take a string, quoted or literal."""
        if self.peek(b'"'):
            quoted = self._take(_QUOTED, "quoted string")[1:-1]
            return _ESCAPE.sub(rb"\1", quoted) if b"\\" in quoted else quoted
        return self.literal()

    def literal(self) -> bytes:
        """Take a literal, which must not hold NUL (RFC 3501 section 9, CHAR8)."""
        self._take(_ANNOUNCED, "string")
        octets = next(self._literals)
        if b"\0" in octets:
            self.fail("literal holds NUL")
        return octets

    @property
    def at_string(self) -> bool:
        """Whether a quoted string or a literal comes next."""
        return self.peek(b'"') or self.peek(b"{")

    def astring(self) -> bytes:
        """Take an astring."""
        return self.string() if self.at_string else self._take(_ASTRING, "string")

    def list_mailbox(self) -> bytes:
        """Take list-mailbox: an astring that may hold wildcards."""
        return self.string() if self.at_string else self._take(_LIST, "mailbox pattern")

    def nstring(self) -> bytes | None:
        """Take an nstring; return None for NIL."""
        if self.at_string:
            return self.string()
        if self.word() != b"NIL":
            self.fail("string or NIL expected")
        return None
