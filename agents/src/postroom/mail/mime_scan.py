"""Finds the parts of a message as byte offsets. RFC 2045, RFC 2046, RFC 2183.

Room rule: every message has a structure, however broken or hostile. Nothing is decoded, nothing raises, nothing
recurses; the cost is linear in the octets, since nested multiparts together search at most a few times the message.
What exceeds a limit becomes a leaf: `application/octet-stream` if its parts could not be separated.

Where readers could disagree, these rules hold: the first of two equal fields wins; a delimiter line is the boundary and
nothing else but white space; an outer boundary ends an inner part; a parameter without sections wins over one with
sections (RFC 2231), and sections end where a number is missing.
"""

import re
from typing import Final, NamedTuple

from msgspec.structs import replace

from postroom.mail.envelope import envelope_of
from postroom.mail.mime import Envelope, Part
from postroom.mail.mime_fields import Parameters, Typed, read_typed, tokens

_FIELD: Final = re.compile(
    rb"\r\n(?=[b-fimrstB-FIMRST])(date|subject|from|sender|reply-to|to|cc|bcc|in-reply-to|message-id|"
    rb"content-(?:type|transfer-encoding|disposition|id|description|md5|language|location))"
    rb"[ \t]*:((?:[^\r]++|\r\n[ \t]|\r(?!\n))*+)",
    re.IGNORECASE,
)
_TEXT: Final = Typed(b"TEXT", b"PLAIN", ((b"CHARSET", b"us-ascii"),))  # RFC 2045 section 5.2
_MESSAGE: Final = Typed(b"MESSAGE", b"RFC822", ())
_OCTETS: Final = Typed(b"APPLICATION", b"OCTET-STREAM", ())
_IDENTITY: Final = (b"7BIT", b"8BIT", b"BINARY")  # RFC 2046 section 5.2.1 allows no other on composite types
_TRAILING: Final = re.compile(rb"[ \t]*(?:\r\n|\Z)")

Fields = dict[bytes, bytes]


class ScanLimits(NamedTuple):
    """How much structure is examined."""

    depth: int = 50
    parts: int = 2000
    header: int = 1 << 20  # octets of one header block
    work: int = 12  # searched octets, as a multiple of the message


DEFAULT_LIMITS: Final = ScanLimits()


class _Node:
    """A part with children that have not been read yet."""

    __slots__ = ("body", "child", "children", "end", "envelope", "fields", "regions", "start", "typed")

    def __init__(self, start: int, body: int, end: int, fields: Fields, typed: Typed) -> None:
        self.start, self.body, self.end = start, body, end
        self.fields, self.typed = fields, typed
        self.child = _MESSAGE if typed[:2] == (b"MULTIPART", b"DIGEST") else _TEXT
        # last first; the flag says whether it may have a structure
        self.regions: list[tuple[int, int, bool]] = []
        self.children: list[Part] = []
        self.envelope: Envelope | None = None


def scan(message: bytes, limits: ScanLimits = DEFAULT_LIMITS, base: int = 0) -> tuple[Envelope, Part]:
    """Return envelope and structure of a message. `base`: octets that will be served before its header.

    Offsets count from the first octet served: the message's own part starts at 0, and its body moves by `base`.
    """
    return _Scan(message, limits, base).run()


class _Scan:
    def __init__(self, message: bytes, limits: ScanLimits, base: int) -> None:
        self.message = message
        self.limits = limits
        self.base = base
        self.parts = 1
        self.work = limits.work * len(message) + (1 << 16)

    def run(self) -> tuple[Envelope, Part]:
        size = len(self.message)
        body = self._body(0, size)
        fields = self._fields(0, body)
        envelope = envelope_of(fields)
        root = self._open(0, body, size, fields, _TEXT, 0)
        if isinstance(root, Part):
            return envelope, self._rooted(root)
        open_nodes = [root]
        while True:
            node = open_nodes[-1]
            if node.regions:
                found = self._next(node, len(open_nodes))
                if isinstance(found, Part):
                    node.children.append(found)
                else:
                    open_nodes.append(found)
                continue
            open_nodes.pop()
            part = self._part(node.start, node.body, node.end, node.fields, node.typed, node)
            if not open_nodes:
                return envelope, self._rooted(part)
            open_nodes[-1].children.append(part)

    def _rooted(self, part: Part) -> Part:
        return replace(part, start=0) if self.base else part

    def _next(self, node: _Node, depth: int) -> "Part | _Node":
        start, end, structured = node.regions.pop()
        if not structured:
            return self._part(start, start, end, {}, _OCTETS, None)
        body = self._body(start, end)
        fields = self._fields(start, body)
        if node.typed.type == b"MESSAGE":
            node.envelope = envelope_of(fields)
        return self._open(start, body, end, fields, node.child, depth)

    def _body(self, start: int, end: int) -> int:
        """Return the offset after the header's empty line."""
        if self.message.startswith(b"\r\n", start, end):
            return start + 2
        found = self.message.find(b"\r\n\r\n", start, end)
        return end if found < 0 else found + 4

    def _fields(self, start: int, body: int) -> Fields:
        """Return the known fields as they are, the first of each name."""
        block = b"\r\n" + self.message[start : min(body, start + self.limits.header)]
        found: Fields = {}
        for name, value in _FIELD.findall(block):
            found.setdefault(name.lower(), value)
        return found

    def _open(  # noqa: PLR0913, PLR0917
        self, start: int, body: int, end: int, fields: Fields, default: Typed, depth: int
    ) -> "Part | _Node":
        """Return a leaf, or a node with the regions of its children."""
        stated = fields.get(b"content-type")
        typed = default if stated is None else read_typed(stated) or _TEXT
        if typed.type not in (b"MULTIPART", b"MESSAGE") or typed[:2] == (b"MESSAGE", b"EXTERNAL-BODY"):
            return self._part(start, body, end, fields, typed, None)
        node = _Node(start, body, end, fields, typed)
        if typed.type == b"MULTIPART":
            regions = self._delimited(node, depth)
        elif typed.subtype == b"RFC822":
            regions = self._enclosed(node, depth)
        else:
            return self._part(start, body, end, fields, typed, None)
        if isinstance(regions, Typed):
            return self._part(start, body, end, fields, regions, None)
        node.regions = regions
        return node

    def _enclosed(self, node: _Node, depth: int) -> list[tuple[int, int, bool]] | Typed:
        cost = node.end - node.body
        encoding = _encoding(node.fields)
        if (
            encoding not in _IDENTITY
            or depth >= self.limits.depth
            or not self._may_add(1)
            or cost > self.work
        ):
            return _OCTETS
        self.work -= cost
        return [(node.body, node.end, True)]

    def _may_add(self, count: int) -> bool:
        if self.parts + count > self.limits.parts:
            return False
        self.parts += count
        return True

    def _delimited(self, node: _Node, depth: int) -> list[tuple[int, int, bool]] | Typed:
        """Return the regions between delimiter lines, last first. RFC 2046 section 5.1.1."""
        boundary = node.typed.parameter(b"BOUNDARY").rstrip(b" \t")
        cost = node.end - node.body
        if not boundary:
            return _TEXT
        if depth >= self.limits.depth or cost > self.work or not self._may_add(1):
            return _OCTETS
        self.work -= cost
        message, end, mark = self.message, node.end, b"\r\n--" + boundary
        regions: list[tuple[int, int, bool]] = []
        begun = -1
        at = message.find(mark, node.body - 2, end)
        while at >= 0:
            behind = at + len(mark)
            line = _TRAILING.match(message, behind, end)
            closing = line is None and message.startswith(b"--", behind, end)
            if closing:
                closing = _TRAILING.match(message, behind + 2, end) is not None
            if line is None and not closing:
                at = message.find(mark, behind, end)
                continue
            if begun >= 0:
                regions.append((begun, max(begun, at), True))
            begun = -1
            if closing:
                break
            assert line is not None
            begun = line.end()
            if regions and not self._may_add(1):  # too many parts: the rest is one piece
                regions.append((begun, end, False))
                begun = -1
                break
            at = message.find(mark, max(begun - 2, behind), end)
        if begun >= 0:
            regions.append((begun, end, True))
        return regions[::-1] or _TEXT

    def _part(  # noqa: PLR0913, PLR0917
        self, start: int, body: int, end: int, fields: Fields, typed: Typed, node: _Node | None
    ) -> Part:
        base = self.base
        leaf = node is None or typed.type == b"MESSAGE"
        disposition = fields.get(b"content-disposition")
        return Part(
            start=start + base,
            body=body + base,
            end=end + base,
            lines=self.message.count(b"\r\n", body, end) if leaf else 0,
            type=typed.type,
            subtype=typed.subtype,
            params=typed.params,
            id=_text(fields, b"content-id"),
            description=_text(fields, b"content-description"),
            encoding=_encoding(fields),
            md5=_text(fields, b"content-md5"),
            disposition=None if disposition is None else _disposition(disposition),
            language=tokens(fields[b"content-language"]) if b"content-language" in fields else (),
            location=_text(fields, b"content-location"),
            parts=tuple(node.children) if node else (),
            envelope=node.envelope if node else None,
        )


def _text(fields: Fields, name: bytes) -> bytes | None:
    value = fields.get(name)
    return None if value is None else value.replace(b"\r\n", b"").strip()


def _encoding(fields: Fields) -> bytes:
    """Return Content-Transfer-Encoding in upper case; RFC 2045 section 6.1."""
    value = fields.get(b"content-transfer-encoding")
    if value is None:
        return b"7BIT"
    words = tokens(value)
    return words[0].upper() if words else b"7BIT"


def _disposition(value: bytes) -> tuple[bytes, Parameters] | None:
    typed = read_typed(value, single=True)
    return (typed.type, typed.params) if typed else None


def shifted(part: Part, by: int) -> Part:
    """Return the same structure for a longer (or shorter) served prefix."""
    return replace(_moved(part, by), start=0)


def _moved(part: Part, by: int) -> Part:
    return replace(
        part,
        start=part.start + by,
        body=part.body + by,
        end=part.end + by,
        parts=tuple(_moved(child, by) for child in part.parts),
    )
