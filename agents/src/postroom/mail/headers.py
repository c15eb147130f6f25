"""A message's header block as bytes. RFC 5322 section 2.2.

Room rule: one linear pass, no decoding, no interpretation. Every byte of the block belongs to exactly one field, so
unchanged fields are written back as they came and foreign DKIM signatures stay valid.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

MAX_OCTETS: Final = 1 << 20
MAX_FIELDS: Final = 1000

_EMPTY_LINE: Final = b"\r\n\r\n"
_NAME: Final = re.compile(rb"([!-9;-~]+)[ \t]*:")  # obs-optional allows space before the colon
# a separator line of RFC 4155, plain or escaped
_MBOX: Final = re.compile(rb">?From (?![ \t]*:)[^\r\n]*+\r\n")
_LINE: Final = re.compile(rb"(?:[!-9;-~]+[ \t]*+:[^\r\n]*+|[ \t][^\r\n]*+)(?:\r\n|\Z)")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class HeaderError(ValueError):
    """The header block exceeds a limit, so the message has to be refused."""


class HeaderTooLarge(HeaderError):
    """More octets than allowed before the empty line."""


class TooManyFields(HeaderError):
    """More fields than allowed."""


class Field(NamedTuple):
    """One field as it is in the message, with its folding and its last line end.

    `key` is the name in lower case. It is empty for a line that is not a field (no colon, or a control or non-ASCII
    octet in the name): such lines are kept, and match no name.
    """

    key: bytes
    raw: bytes
    start: int

    @property
    def end(self) -> int:
        """Return the offset after the field in the message."""
        return self.start + len(self.raw)

    @property
    def body(self) -> bytes:
        """Return everything after the colon, including folding."""
        return self.raw[self.raw.find(b":") + 1 :]

    @property
    def value(self) -> bytes:
        """Return the field's text, unfolded (RFC 5322 section 2.2.3) and stripped of white space."""
        return unfold(self.body).strip(b" \t")


class HeaderBlock:
    """The fields of one message, in order.

    `octets`: the fields without the empty line. `end`: where the fields end in the message. `body_offset`: where the
    body begins (equal to `end` if there is no empty line).
    """

    __slots__ = ("body_offset", "end", "fields", "octets")

    def __init__(self, octets: bytes, fields: tuple[Field, ...], body_offset: int) -> None:
        self.octets = octets
        self.fields = fields
        self.end = len(octets)
        self.body_offset = body_offset

    def first(self, name: bytes) -> Field | None:
        """Return the topmost field with that name (in any case), or None."""
        key = name.lower()
        return next((field for field in self.fields if field.key == key), None)

    def all(self, name: bytes) -> tuple[Field, ...]:
        """Return all fields with that name, from the top."""
        key = name.lower()
        return tuple(field for field in self.fields if field.key == key)

    def flaw(self) -> str:
        """Return why two readers could see different fields here, or "" (RFC 5322 section 2.2).

        Separator lines of a mailbox file at the top are acceptable: they match no name, and the agent that stores the
        message drops them.
        """
        keys = [field.key for field in self.fields]
        if b"" not in keys:
            return ""
        if self.fields[0].raw[:1] in (b" ", b"\t"):
            return "The first line of the header begins with white space"
        start = 0
        while start < len(keys) and not keys[start] and _MBOX.fullmatch(self.fields[start].raw):
            start += 1
        return "A line of the header is no field" if b"" in keys[start:] else ""

    def rewritten(
        self, *, prepend: Iterable[bytes] = (), drop: Callable[[Field], bool] | None = None
    ) -> bytes:
        """Return the block with complete fields added at the top and others removed.

        The message continues with `message[block.end:]`.
        """
        if drop is None:
            return b"".join((*prepend, self.octets))
        kept = (field.raw for field in self.fields if not drop(field))
        return b"".join((*prepend, *kept))


def unfold(text: bytes) -> bytes:
    """Remove the line ends of folding (RFC 5322 section 2.2.3); other octets are unchanged."""
    return text.replace(b"\r\n", b"") if b"\r\n" in text else text


def body_start(octets: bytes | bytearray, since: int = 0) -> int | None:
    """Return where the body begins, or None if the empty line has not arrived.

    `since`: how much was already searched, for messages that arrive in pieces.
    """
    if octets[:2] == b"\r\n":
        return 2
    found = octets.find(_EMPTY_LINE, max(0, since - 3))
    return None if found < 0 else found + 4


def read_headers(
    octets: bytes | bytearray, *, max_octets: int = MAX_OCTETS, max_fields: int = MAX_FIELDS
) -> HeaderBlock:
    """Split a message, or its beginning up to at least the empty line, into fields.

    A message without an empty line is all header. Raises HeaderTooLarge or TooManyFields.
    """
    body = body_start(octets)
    if body is None:
        end = body = len(octets)
    else:
        end = body - 2
    if end > max_octets:
        raise HeaderTooLarge(f"header block of more than {max_octets} octets")
    block = bytes(octets[:end])
    fields = tuple(_fields(block, max_fields))
    return HeaderBlock(block, fields, body)


def _fields(block: bytes, max_fields: int) -> Iterator[Field]:
    start = count = 0
    size = len(block)
    while start < size:
        count += 1
        if count > max_fields:
            raise TooManyFields(f"more than {max_fields} header fields")
        end = _field_end(block, start)
        raw = block[start:end]
        name = _NAME.match(raw)
        yield Field(name[1].lower() if name else b"", raw, start)
        start = end


def _field_end(block: bytes, start: int) -> int:
    """Return the offset after the first line end that no continuation follows."""
    position = start
    while (position := block.find(b"\r\n", position) + 2) > 1:
        if block[position : position + 1] not in (b" ", b"\t"):
            return position
    return len(block)


def mended(message: bytes) -> tuple[list[bytes], int]:
    """Return the fields that a local program meant to write, and where its body begins.

    Separator lines of a mailbox file and a byte order mark at the top are removed. The body begins after the empty line
    or at the first line that is not a field, whichever comes first. Line ends are CR LF.
    """
    at = len(_BYTE_ORDER_MARK) if message.startswith(_BYTE_ORDER_MARK) else 0
    while separator := _MBOX.match(message, at):
        at = separator.end()
    starts: list[int] = []
    while line := _LINE.match(message, at):
        if line[0][:1] not in (b" ", b"\t"):
            starts.append(at)
        elif not starts:
            break
        at = line.end()
    fields = [message[start:end] for start, end in pairwise((*starts, at))]
    return fields, at + 2 if message[at : at + 2] == b"\r\n" else at
