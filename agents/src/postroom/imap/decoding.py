"""Octets of messages as text to be searched. RFC 2047, RFC 2045 section 6.

Room rule: nothing here can fail or take more than linear time, whatever a message holds; what cannot be decoded
is searched as it stands.
"""

import binascii
import codecs
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from postroom.mail.charsets import codec_of
from postroom.mail.mime import Part

_WORD: Final = re.compile(rb"=\?([A-Za-z0-9_.:+-]{1,40})(?:\*[^?]{0,40})?\?([bBqQ])\?([^?\r\n]*+)\?=")
_BETWEEN: Final = re.compile(rb"\?=[ \t\r\n]++=\?")
_FOLD: Final = re.compile(rb"\r?\n[ \t]?")
_NAME: Final = re.compile(rb"[!-9;-~]++\Z")
_EAST_ASIAN: Final = ("big5", "cp9", "euc", "gb", "hz", "iso2022", "johab", "shift")  # beginnings of codecs
PIECE: Final = 1 << 18  # octets of a part that are decoded in one step
_NOT_BASE64: Final = bytes(
    set(range(256)).difference(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
)


def header_text(value: bytes) -> str:
    """A header value with its encoded words decoded, for searching: folded case."""
    if b"=?" in value:
        value = _BETWEEN.sub(b"?==?", value)
        pieces: list[str] = []
        last = 0
        for found in _WORD.finditer(value):
            pieces += (plain_text(value[last : found.start()]), _encoded_word(found))
            last = found.end()
        pieces.append(plain_text(value[last:]))
        return "".join(pieces).casefold()
    return plain_text(value).casefold()


def plain_text(octets: bytes, charset: str = "utf-8") -> str:
    """Return octets as text. ASCII and unknown charsets are UTF-8; what is not in the charset is read as Latin-1.

    In a charset of East Asia a character that Python does not know costs itself alone, such as NEC's circled figures
    in ISO-2022-JP: as Latin-1 nothing of such a text would be found.
    """
    codec = _codec(charset)
    try:
        return octets.decode(codec)
    except (UnicodeError, ValueError):
        return octets.decode(codec, "replace") if codec.startswith(_EAST_ASIAN) else octets.decode("latin-1")


def header_values(header: bytes, name: bytes) -> Iterator[str]:
    """The values of all fields of that name (upper case), for searching."""
    if not _NAME.match(name):
        return
    for found in _field(name).finditer(header):
        yield header_text(_FOLD.sub(b" ", found[1]).strip())


@lru_cache(maxsize=64)
def _field(name: bytes) -> re.Pattern[bytes]:
    """Return the expression of one field, which passes over all others without looking into them."""
    return re.compile(
        rb"^" + re.escape(name) + rb"[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.IGNORECASE | re.MULTILINE
    )


def whole_header(header: bytes) -> str:
    """A header block for searching."""
    return header_text(_FOLD.sub(b" ", header))


def body_texts(content: bytes, root: Part, longest: int) -> Iterator[str]:
    """The text parts of a message, and the headers of messages in it, for searching.

    A large part comes in pieces that overlap, so that what is searched for stands in one of them whole when it has
    at most `longest` characters: no single step takes long, and other threads have their turn in between.
    """
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if part.type == b"MESSAGE" and part.parts:
            inner = part.parts[0]
            yield whole_header(content[inner.start : inner.body])
        if part.parts:
            waiting += reversed(part.parts)
        elif part.type in (b"TEXT", b"MESSAGE"):
            charset = _charset(part)
            if part.end - part.body <= PIECE:
                octets = _transfer_decoded(content[part.body : part.end], part.encoding)
                yield plain_text(octets, charset).casefold()
            else:
                yield from _overlapping(_text_pieces(content, part, charset), longest)


def _charset(part: Part) -> str:
    """Return the first charset that is named, as the scan takes the first boundary."""
    return next((value for name, value in part.params if name == b"CHARSET" and value), b"utf-8").decode(
        "latin-1"
    )


def _overlapping(texts: Iterator[str], longest: int) -> Iterator[str]:
    end = ""
    for text in texts:
        joined = end + text.casefold()
        yield joined
        end = joined[max(len(joined) - longest, 0) :]


def _text_pieces(content: bytes, part: Part, charset: str) -> Iterator[str]:
    """As `plain_text` reads the whole, but what turns out not to be in any charset begins anew as Latin-1."""
    try:
        decoder = codecs.getincrementaldecoder(_codec(charset))()
        for octets in _octet_pieces(content, part):
            yield decoder.decode(octets)
            if len(decoder.getstate()[0]) > PIECE:  # UTF-7 reads a run without end anew with each piece
                raise ValueError
        yield decoder.decode(b"", True)
    except (ValueError, LookupError):
        for octets in _octet_pieces(content, part):
            yield octets.decode("latin-1")


def _octet_pieces(content: bytes, part: Part) -> Iterator[bytes]:
    """The decoded body in pieces."""
    encoding = part.encoding.upper()
    left = b""
    start = part.body
    while start < part.end:
        end = min(start + PIECE, part.end)
        if encoding == b"QUOTED-PRINTABLE" and end < part.end:
            end = _line_end(content, start, end)
        octets = content[start:end]
        start = end
        if encoding == b"BASE64":
            octets = left + octets.translate(None, _NOT_BASE64)
            whole = len(octets) - len(octets) % 4
            octets, left = octets[:whole], octets[whole:]
        yield _transfer_decoded(octets, encoding)
    if left:
        yield _transfer_decoded(left, encoding)


def _line_end(content: bytes, start: int, end: int) -> int:
    """Where lines can be parted; in the middle of an endless one, but not within an escape."""
    line = content.rfind(b"\n", start, end) + 1
    if line > start:
        return line
    escape = content.rfind(b"=", end - 2, end)
    return escape if escape > start else end


def _transfer_decoded(octets: bytes, encoding: bytes) -> bytes:
    try:
        match encoding.upper():
            case b"BASE64":
                return binascii.a2b_base64(octets)
            case b"QUOTED-PRINTABLE":
                return binascii.a2b_qp(octets)
    except (binascii.Error, ValueError):
        pass
    return octets


def _encoded_word(found: re.Match[bytes]) -> str:
    charset, encoding, text = found[1].decode("ascii"), found[2], found[3]
    try:
        if encoding in b"bB":
            octets = binascii.a2b_base64(text + b"=" * (-len(text) % 4))
        else:
            octets = binascii.a2b_qp(text, header=True)
    except (binascii.Error, ValueError):
        return plain_text(found[0])
    return plain_text(octets, charset)


def _codec(charset: str) -> str:
    return codec_of(charset) or "utf-8"
