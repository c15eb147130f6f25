"""Address fields that break the grammar, as real programs write them.

Room rule: find everybody who could be shown as an author, so that the judged name is never other than the shown one.
Only domains are read here, never an address that somebody could claim. Linear, no recursion.
"""

import binascii
import re
from typing import Final, NamedTuple

_COMMENT_PASSES: Final = 8  # depth of nested comments that is examined

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_ENCODED: Final = re.compile(rb"=\?([^?\s<>@]++)\?([bBqQ])\?([^?\s]*+)\?=")
# Encoded words as lenient readers take them: with blanks inside, and without the white space between two of them.
_SPACED_WORD: Final = re.compile(rb"=\?([^?\s<>@]++)\?([bBqQ])\?([^?]*+)\?=(?:[ \t]++(?==\?))?")
# An escaped octet outside of quotes is kept and ends nothing. Angle brackets in a word may be seen.
_OPAQUE: Final = re.compile(rb'\\.|"(?:[^"\\]|\\.)*+"|=\?[^?\s<>@]++\?[bBqQ]\?[^?\s<>]*+\?=', re.DOTALL)
_COMMENT: Final = re.compile(rb"\([^()<>@\\,;]*+\)")
_LABEL: Final = rb"[A-Za-z0-9_\x80-\xff-]++"
_SPACED: Final = re.compile(rb"@([ \t.]*+" + _LABEL + rb"(?:[ \t]*+\.[ \t.]*+" + _LABEL + rb")*+)")
_CLOSE: Final = re.compile(rb"@[ \t]*+([A-Za-z0-9_.\x80-\xff-]++)")
_LITERAL: Final = re.compile(rb"@[ \t]*+(\[[^\[\]@]*+\])")
_BLANKS: Final = b" \t"
_PAIR: Final = re.compile(rb"\([^()]*+\)|\[[^\[\]]*+\]")
_OPENED: Final = re.compile(rb"[\"(\[]")
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]")
_AT_SIGNS: Final = re.compile(rb"\xef\xbc\xa0|\xef\xb9\xab")  # U+FF20 and U+FE6B look like one
_WIDE: Final = (b"utf-7", b"utf-16", b"utf-32")  # in these charsets an @ need not be one octet


class Untidy(NamedTuple):
    """What could be read in a field.

    `domains`: of everybody who could be shown as an author. `angle`: the text of the one angle address at the end, and
    `name` the text before it; both are None if there is no such address, or if others could be read before it.
    `doubtful`: a reader may see an address in something else.
    """

    domains: tuple[bytes, ...]
    name: bytes | None = None
    angle: bytes | None = None
    doubtful: bool = False


def read_untidy(text: bytes) -> Untidy:
    """Read an unfolded field. Every input has a result.

    A single angle address at the end is the author, whatever precedes it. Text before a comma or semicolon counts too,
    since a reader may take it for another author. So does text before an unclosed quote or bracket, and all of the text
    if the angle brackets hold no address.
    """
    masked = _masked(text).rstrip(b" \t,;")
    opening = masked.find(b"<")
    if masked.count(b"<") != 1 or masked.count(b">") != 1 or not masked.endswith(b">"):
        return everybody(text)
    name, angle = text[:opening], text[opening + 1 : len(masked) - 1]
    earlier = name[: _end_of_others(masked[:opening])]
    inside = _domains(angle)
    # `x @ y; z` is a name and not an address
    others = tuple(one for one in _domains(earlier if inside else name) if b"." in one)
    domains = tuple(dict.fromkeys((*others, *inside)))
    doubtful = _is_doubtful(earlier) or _is_doubtful(angle) or (not inside and _has_wide_words(name))
    if others or doubtful:
        return Untidy(domains, doubtful=doubtful)
    return Untidy(domains, name.strip(_BLANKS), angle.strip(_BLANKS))


def everybody(text: bytes) -> Untidy:
    """Read an unfolded field in which any address may be shown as the author."""
    return Untidy(_domains(text), doubtful=_is_doubtful(text))


def _end_of_others(name: bytes) -> int:
    """Return the length of a masked name's beginning that a reader may take for other addresses."""
    end = max(name.rfind(b","), name.rfind(b";"), 0)
    for _ in range(_COMMENT_PASSES):
        name, count = _PAIR.subn(lambda found: b" " * len(found[0]), name)
        if not count:
            break
    opened = _OPENED.search(name)
    return max(end, opened.start()) if opened else end


def words_masked(text: bytes) -> bytes:
    """Put an atom in place of each encoded word, for readers who see those before quotes and comments."""
    return _SPACED_WORD.sub(lambda found: b"q" + b" " * found[0][-1:].isspace(), text)


def without_quotes(text: bytes) -> bytes:
    """Return a name's text: quoted strings lose their quotes and escapes, other octets are unchanged."""
    return _OPAQUE.sub(_bare, text)


def _bare(found: re.Match[bytes]) -> bytes:
    word = found[0]
    return re.sub(rb"\\(.)", rb"\1", word[1:-1], flags=re.DOTALL) if word.startswith(b'"') else word


def _masked(text: bytes) -> bytes:
    """Blank out the insides of quoted strings, encoded words and harmless comments; the length stays."""
    masked = _OPAQUE.sub(lambda found: found[0] if found[0][:1] == b"\\" else b"q" * len(found[0]), text)
    return _without_comments(masked)


def _without_comments(text: bytes) -> bytes:
    for _ in range(_COMMENT_PASSES):
        text, count = _COMMENT.subn(lambda found: b" " * len(found[0]), text)
        if not count:
            break
    return text


def _domains(text: bytes) -> tuple[bytes, ...]:
    """Return what follows every @, in each of the ways in which a reader may parse it.

    With and without white space around dots, quotes, backslashes and control octets; encoded words alone and in place.
    """
    text = _AT_SIGNS.sub(b"@", text)
    readings = [text]
    if b"=?" in text:
        readings += map(_decoded, _ENCODED.findall(text))
        readings.append(_SPACED_WORD.sub(lambda found: _decoded((found[1], found[2], found[3])), text))
    plain = _without_comments(_AT_SIGNS.sub(b"@", b",".join(readings)))
    if b"@" not in plain:
        return ()
    if _CONTROL.search(plain):
        plain += b"," + _CONTROL.sub(b"", plain)
    if b'"' in plain or b"\\" in plain:
        plain += b"," + plain.translate(None, b'"\\')
    found = (*_LITERAL.findall(plain), *_SPACED.findall(plain), *_CLOSE.findall(plain))
    domains = (one.translate(None, _BLANKS).rstrip(b".").lower() for one in found)
    return tuple(dict.fromkeys(filter(None, domains)))


def _decoded(word: tuple[bytes, bytes, bytes]) -> bytes:
    """Return the octets of an encoded word, even of one without its end."""
    _, encoding, octets = word
    if encoding in b"qQ":
        return binascii.a2b_qp(octets, header=True)
    digits = _NOT_BASE64.sub(b"", octets)
    whole = digits[: len(digits) - (len(digits) % 4 == 1)]
    return binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))


def _is_doubtful(text: bytes) -> bool:
    """Return whether readers may see an address that is not read here: after control octets, or in wide characters."""
    words = _ENCODED.findall(text)
    return _CONTROL.search(b"".join((text, *map(_decoded, words)))) is not None or _has_wide_words(text)


def _has_wide_words(text: bytes) -> bool:
    return any(charset.lower().startswith(_WIDE) for charset, _, _ in _ENCODED.findall(text))
