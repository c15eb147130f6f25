"""Conversion of 8-bit messages to 7 bits, for servers without 8BITMIME. RFC 6152 section 3, RFC 2045.

Room rule: bodies are encoded, and headers keep their meaning. What is not certain is left alone: if a part is signed,
its header has raw octets above 127, or its structure is broken, the message is not converted.
"""

import binascii
from collections.abc import Iterator
from typing import Final

from postroom.mail.headers import HeaderBlock, read_headers
from postroom.mail.mime import Part
from postroom.mail.mime_scan import scan

_LINE: Final = 57  # octets that are 76 characters of base64
_DENSE: Final = 1.4  # octets of quoted-printable per octet of text above which base64 is shorter
_ENCODING: Final = b"content-transfer-encoding"
_PLAIN: Final = frozenset({b"7BIT", b"8BIT", b"BINARY"})
_COMPOSITE: Final = (b"multipart/", b"message/")

_Shape = tuple[bytes, bytes, "tuple[_Shape, ...]"]


class Unconvertible(ValueError):
    """The message cannot be expressed in 7 bits without changing its meaning."""


def seven_bit(message: bytes) -> bytes:
    """Encode every 8-bit part of the message. Lines end with CR LF. Raises Unconvertible, HeaderError."""
    if message.isascii():
        return message
    structure = scan(message)[1]
    found = _converted(message, structure, whole_message=True)
    if not found.isascii() or _shape(scan(found)[1]) != _shape(structure):
        raise Unconvertible("its parts cannot be told apart for sure")
    return found


def quoted_printable(text: bytes) -> bytes:
    """Encode as in RFC 2045 section 6.7; line ends are CR LF and stay."""
    if b"\r\n" in text:
        return binascii.b2a_qp(text, istext=True)
    # the library ends its lines as the first one ends
    return binascii.b2a_qp(text + b"\r\n", istext=True).removesuffix(b"\r\n")


def _base64(octets: bytes) -> bytes:
    view = memoryview(octets)
    lines = (binascii.b2a_base64(view[at : at + _LINE], newline=False) for at in range(0, len(octets), _LINE))
    return b"\r\n".join(lines) + b"\r\n"


def _shape(part: Part) -> _Shape:
    return part.type, part.subtype, tuple(map(_shape, part.parts))


def _converted(message: bytes, part: Part, *, whole_message: bool) -> bytes:
    region = message[part.start : part.end]
    if region.isascii():
        return region
    head = message[part.start : part.body]
    if not head.isascii() or (part.type, part.subtype) == (b"MULTIPART", b"SIGNED"):
        raise Unconvertible("eight bits in a header or in a signed part")
    block = read_headers(head)
    if part.parts:
        content = b"".join(_pieces(message, part))
        encoding = b"7bit" if part.encoding in _PLAIN else b""
        added = b""
    else:
        content, encoding = _encoded(message[part.body : part.end], part, block)
        added = _missing(block, message[part.body : part.end]) if whole_message else b""
    if not encoding:
        raise Unconvertible("encoded as a whole")
    kept = block.rewritten(drop=lambda field: field.key == _ENCODING)
    return kept + added + b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + content


def _pieces(message: bytes, part: Part) -> Iterator[bytes]:
    """Yield the octets between the parts, and the parts."""
    at = part.body
    for child in part.parts:
        yield message[at : child.start]
        yield _converted(message, child, whole_message=part.type == b"MESSAGE")
        at = child.end
    yield message[at : part.end]


def _encoded(body: bytes, part: Part, block: HeaderBlock) -> tuple[bytes, bytes]:
    """Return the encoded body of a leaf and the name of its encoding, or nothing if it may not be encoded."""
    stated = block.first(b"content-type")
    if part.encoding not in _PLAIN or (stated is not None and stated.value.lower().startswith(_COMPOSITE)):
        return b"", b""
    if part.type == b"TEXT":
        text = quoted_printable(body)
        if len(text) <= _DENSE * len(body):
            return text, b"quoted-printable"
    return _base64(body), b"base64"


def _missing(block: HeaderBlock, body: bytes) -> bytes:
    """Return the fields that make a non-MIME message a MIME message. RFC 2045 section 4, RFC 1428 section 3."""
    fields = b"" if block.first(b"mime-version") else b"MIME-Version: 1.0\r\n"
    if block.first(b"content-type"):
        return fields
    try:
        body.decode()
    except UnicodeDecodeError:
        return fields + b"Content-Type: text/plain; charset=unknown-8bit\r\n"
    return fields + b"Content-Type: text/plain; charset=utf-8\r\n"
