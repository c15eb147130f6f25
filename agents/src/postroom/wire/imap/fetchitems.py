"""The items that FETCH may ask for. RFC 3501 section 6.4.5, RFC 7162 section 3.1.4."""

from enum import Enum, Flag, auto
from typing import Final

import msgspec

from postroom.wire.imap.scanner import Scanner

MAX_ITEMS: Final = 100
MAX_FIELDS: Final = 200
MAX_PART_DEPTH: Final = 100


class Need(Flag):
    """What of a message has to be read to answer an item."""

    ROW = auto()  # flags, size, dates and the like
    HEADER = auto()  # the header block at its beginning
    STRUCTURE = auto()  # envelope and parts
    BODY = auto()  # octets from anywhere in it


class Item(Enum):
    """Items without arguments: the name they are answered with, and what they need."""

    needs: Need

    UID = b"UID", Need.ROW
    FLAGS = b"FLAGS", Need.ROW
    INTERNALDATE = b"INTERNALDATE", Need.ROW
    SIZE = b"RFC822.SIZE", Need.ROW
    MODSEQ = b"MODSEQ", Need.ROW
    ENVELOPE = b"ENVELOPE", Need.STRUCTURE
    BODY = b"BODY", Need.STRUCTURE
    BODYSTRUCTURE = b"BODYSTRUCTURE", Need.STRUCTURE

    def __new__(cls, name: bytes, needs: Need) -> "Item":
        item = object.__new__(cls)
        item._value_ = name
        item.needs = needs
        return item


class Text(Enum):
    """Which octets of a message or part a section means."""

    ALL = b""
    HEADER = b"HEADER"
    FIELDS = b"HEADER.FIELDS"
    FIELDS_NOT = b"HEADER.FIELDS.NOT"
    TEXT = b"TEXT"
    MIME = b"MIME"


class Section(msgspec.Struct, frozen=True):
    """A slice of the message. `label` is the item's name in the answer; `fields` are in upper case."""

    label: bytes
    text: Text
    part: tuple[int, ...] = ()
    fields: frozenset[bytes] = frozenset()
    start: int = 0
    count: int | None = None
    peek: bool = False

    @property
    def needs(self) -> Need:
        """What the section needs: numbered parts are found by the structure, wherever they are."""
        if self.part:
            return Need.STRUCTURE | Need.BODY
        return Need.HEADER if self.text in _OF_HEADER else Need.BODY


_OF_HEADER: Final = frozenset({Text.HEADER, Text.FIELDS, Text.FIELDS_NOT})

FetchItem = Item | Section

_MACROS: Final = {
    b"FAST": (Item.FLAGS, Item.INTERNALDATE, Item.SIZE),
    b"ALL": (Item.FLAGS, Item.INTERNALDATE, Item.SIZE, Item.ENVELOPE),
    b"FULL": (Item.FLAGS, Item.INTERNALDATE, Item.SIZE, Item.ENVELOPE, Item.BODY),
}
_PLAIN: Final = {item.value: item for item in Item}
_RFC822: Final = {
    b"RFC822": Section(b"RFC822", Text.ALL),
    b"RFC822.HEADER": Section(b"RFC822.HEADER", Text.HEADER, peek=True),
    b"RFC822.TEXT": Section(b"RFC822.TEXT", Text.TEXT),
}
_TEXTS: Final = {text.value: text for text in Text}


def parse_items(scanner: Scanner) -> tuple[FetchItem, ...]:
    """Read a macro, one item or a list of items; each item counts once. Raises BadSyntax."""
    if scanner.accept_open():
        items = [_item(scanner)]
        while scanner.accept_space():
            if len(items) >= MAX_ITEMS:
                scanner.fail("too many items")
            items.append(_item(scanner))
        scanner.close()
        return tuple(dict.fromkeys(items))
    word = _name(scanner)
    macro = _MACROS.get(word)
    return macro or (_finish(scanner, word),)


def _name(scanner: Scanner) -> bytes:
    """Read the name of an item up to `[`, which is an atom character; the section is read on its own."""
    word = scanner.item_word()
    return word.upper()


def _item(scanner: Scanner) -> FetchItem:
    return _finish(scanner, _name(scanner))


def _finish(scanner: Scanner, word: bytes) -> FetchItem:
    if word in (b"BODY", b"BODY.PEEK") and scanner.accept(b"["):
        return _section(scanner, peek=word == b"BODY.PEEK")
    item = _PLAIN.get(word) or _RFC822.get(word)
    if item is None:
        scanner.fail("unknown FETCH item")
    return item


def _section(scanner: Scanner, *, peek: bool) -> Section:
    part = _part(scanner)
    name = scanner.section_word().upper() if not scanner.peek(b"]") else b""
    text = _TEXTS.get(name)
    if text is None or (text is Text.MIME and not part):
        scanner.fail("unknown section")
    spec = b".".join((*(b"%d" % number for number in part), *((name,) if name else ())))
    fields: tuple[bytes, ...] = ()
    if text in (Text.FIELDS, Text.FIELDS_NOT):
        fields = _fields(scanner)
        spec += b" (" + b" ".join(map(_written, fields)) + b")"
    scanner.expect(b"]")
    start, count, suffix = _partial(scanner)
    label = b"BODY[" + spec + b"]" + suffix
    return Section(label, text, part, frozenset(map(bytes.upper, fields)), start, count, peek)


def _part(scanner: Scanner) -> tuple[int, ...]:
    numbers: list[int] = []
    while scanner.peek_digit():
        number = scanner.number()
        if number == 0 or len(numbers) >= MAX_PART_DEPTH:
            scanner.fail("invalid part number")
        numbers.append(number)
        if not scanner.accept(b"."):
            if not scanner.peek(b"]"):
                scanner.fail("] expected")
            return tuple(numbers)
    if numbers and scanner.peek(b"]"):
        scanner.fail("part or text name expected")
    return tuple(numbers)


def _fields(scanner: Scanner) -> tuple[bytes, ...]:
    scanner.space()
    scanner.open()
    names = [scanner.astring()]
    while scanner.accept_space():
        if len(names) >= MAX_FIELDS:
            scanner.fail("too many header fields")
        names.append(scanner.astring())
    scanner.close()
    return tuple(names)


def _written(name: bytes) -> bytes:
    """Return a field name as the label of the answer repeats it."""
    if name and all(33 <= octet <= 126 and octet not in b'(){%*"\\' for octet in name):
        return name
    if any(octet < 32 or octet > 126 for octet in name):
        return b"{%d}\r\n%b" % (len(name), name)
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _partial(scanner: Scanner) -> tuple[int, int | None, bytes]:
    if not scanner.accept(b"<"):
        return 0, None, b""
    start = scanner.number()
    scanner.expect(b".")
    count = scanner.number()
    if count == 0:
        scanner.fail("invalid partial")
    scanner.expect(b">")
    return start, count, b"<%d>" % start
