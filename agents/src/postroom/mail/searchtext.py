"""Octets of messages as text to be searched. RFC 2047, RFC 2045 section 6.

Room rule: nothing here fails or takes more than linear time, whatever a message holds; octets that cannot be decoded
are searched as they are.
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
    """Return a header value for searching: encoded words decoded, case folded."""
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
    """Return octets as text. ASCII and unknown charsets are read as UTF-8, what is not in its charset as Latin-1.

    In an East Asian charset a character that Python does not know, such as NEC's circled figures in ISO-2022-JP, is
    replaced: read as Latin-1, such a text could not be found.
    """
    codec = _codec(charset)
    try:
        return octets.decode(codec)
    except (UnicodeError, ValueError):
        return octets.decode(codec, "replace") if codec.startswith(_EAST_ASIAN) else octets.decode("latin-1")


def header_values(header: bytes, name: bytes) -> Iterator[str]:
    """Yield the values of all fields of this name (upper case), for searching."""
    if not _NAME.match(name):
        return
    for found in _field(name).finditer(header):
        yield header_text(_FOLD.sub(b" ", found[1]).strip())


@lru_cache(maxsize=64)
def _field(name: bytes) -> re.Pattern[bytes]:
    """Return an expression that finds one field, and skips all others without looking into them."""
    return re.compile(
        rb"^" + re.escape(name) + rb"[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.IGNORECASE | re.MULTILINE
    )


def whole_header(header: bytes) -> str:
    """Return a header block for searching."""
    return header_text(_FOLD.sub(b" ", header))


def body_texts(content: bytes, root: Part, longest: int) -> Iterator[str]:
    """Yield the text parts of a message, and the headers of messages inside it, for searching.

    A large part comes in pieces that overlap by `longest` characters, so that a text of that length is found whole in
    one of them. No single piece takes long, so that other threads run in between.
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
    """Return the first charset that the part names, as the scanner takes the first boundary."""
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
    """Yield a part as `plain_text` reads it, in pieces, but one that turns out invalid begins again as Latin-1."""
    try:
        decoder = codecs.getincrementaldecoder(_codec(charset))()
        for octets in _octet_pieces(content, part):
            yield decoder.decode(octets)
            if len(decoder.getstate()[0]) > PIECE:  # UTF-7 reads an endless run again with each piece
                raise ValueError
        yield decoder.decode(b"", True)
    except (ValueError, LookupError):
        for octets in _octet_pieces(content, part):
            yield octets.decode("latin-1")


def _octet_pieces(content: bytes, part: Part) -> Iterator[bytes]:
    """Yield the body without its transfer encoding, in pieces."""
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
    """Return where to cut: after a line; inside an endless line, but not inside an escape."""
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
