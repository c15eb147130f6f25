"""Values of MIME fields: type, parameters, tokens. RFC 2045 section 5.1, RFC 2183, RFC 2231.

Room rule: lenient and linear. At most 64 parameters of at most 256 pieces are read; an unreadable piece is dropped
without affecting others.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

MAX_PARAMETERS: Final = 64
MAX_PIECES: Final = 256  # parameters, sections of parameters and unreadable pieces in one field
MAX_OCTETS: Final = 1 << 16  # of one field; the rest is not read
Parameters = tuple[tuple[bytes, bytes], ...]

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")  # RFC 2045 section 5.1
_TYPE: Final = re.compile(rb"\s*([!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+)\s*/\s*([!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+)")
_SINGLE: Final = re.compile(rb"\s*([!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+)()")
_PARAMETER: Final = re.compile(
    rb'[\s;]*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|"([^;]*+)|([^;\s"]++))', re.DOTALL
)
_SEPARATORS: Final = re.compile(rb"[\s;]*+")
_SECTION: Final = re.compile(rb"([^*]++)\*(?:([0-9]{1,5})(\*?))?\Z")
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)
_ATTRIBUTE: Final = "!#$&+^`{|}"  # with letters, digits and "-._~": attribute-char, RFC 2231 section 7
_CONTROL: Final = re.compile(rb"[\0-\x1f\x7f]")
_PROTOCOL: Final = (
    b"BOUNDARY",
    b"CHARSET",
)  # for programs, in ASCII, so the language is empty
_STEP: Final = re.compile(rb'[^"\\()]++|\\.|["()\\]', re.DOTALL)


class Typed(NamedTuple):
    """Type, subtype (both in upper case) and parameters, names in upper case, values unquoted."""

    type: bytes
    subtype: bytes
    params: Parameters

    def parameter(self, name: bytes) -> bytes:
        """Return the first parameter with that name and a non-empty value, or an empty one."""
        return next((value for key, value in self.params if key == name and value), b"")


def read_typed(value: bytes, *, single: bool = False) -> Typed | None:
    """Parse `type/subtype; name=value`, or with `single` only a type. Return None for any other start."""
    text = value[:MAX_OCTETS].replace(b"\r\n", b"")
    if b"(" in text:
        text = without_comments(text)
    match = (_SINGLE if single else _TYPE).match(text)
    if match is None:
        return None
    return Typed(match[1].upper(), match[2].upper(), _parameters(text, match.end()))


def _parameters(text: bytes, position: int) -> Parameters:
    """Return the parameters in order, followed by those that came in sections.

    A missing semicolon is accepted if white space or a closing quote separates two parameters.
    """
    found: list[tuple[bytes, bytes]] = []
    sections: dict[bytes, dict[int, tuple[bytes, bool]]] = {}
    for _ in range(MAX_PIECES):
        match = _PARAMETER.match(text, position)
        if match is None:
            position = _next_separator(text, position)
            if position < 0:
                break
            continue
        position = match.end()
        name, quoted, unended, plain = match.groups()
        if quoted and b";" in quoted and _begins_another(quoted, text[position : position + 1]):
            unended, quoted = quoted[: quoted.index(b";")], None
            position = match.start(2) + len(unended)
        value = plain if plain is not None else quoted if quoted is not None else unended
        if plain is None and b"\\" in value:
            value = _ESCAPE.sub(rb"\1", value)
        name = name.upper()
        section = _SECTION.match(name) if b"*" in name else None
        if section is None or (section[2] is None and section[1] not in _PROTOCOL):
            if len(found) + len(sections) < MAX_PARAMETERS:
                found.append((name, value))
            continue
        name = section[1]
        if name not in sections:
            if len(found) + len(sections) >= MAX_PARAMETERS:
                continue
            sections[name] = {}
        extended = section[2] is None or bool(section[3])
        sections[name].setdefault(int(section[2] or 0), (value, extended))
    return tuple(found + _joined(sections, found)) if sections else tuple(found)


def _begins_another(quoted: bytes, behind: bytes) -> bool:
    """Return whether the closing quote actually opens the next value, as in `name="x; boundary="A"`."""
    return quoted.rstrip().endswith(b"=") and behind not in (b"", b" ", b"\t", b";")


def _next_separator(text: bytes, position: int) -> int:
    """Return where the next parameter may begin. Quotes do not matter, since here they enclose no value."""
    begun = _SEPARATORS.match(text, position)
    return text.find(b";", begun.end() if begun else position)


def _joined(
    sections: dict[bytes, dict[int, tuple[bytes, bool]]], found: list[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """Join the sections 0, 1, 2 and so on, up to the first that is missing. RFC 2231 sections 3 and 4.

    If the same parameter also exists without sections, that one wins, because every reader understands it. A value that
    came encoded keeps its escapes and is called `name*`, since IMAP4rev1 has no other way to state a charset.
    """
    whole = {name for name, value in found if value}
    joined = []
    for name, numbered in sections.items():
        run: list[tuple[bytes, bool]] = []
        while len(run) in numbered:
            run.append(numbered[len(run)])
        if not any(extended for _, extended in run):
            key, value = name, b"".join(piece for piece, _ in run)
        elif name in _PROTOCOL:
            key, value = name, _decoded(run)
        else:
            key, value = name + b"*", _encoded(run)
        if value and key not in whole:
            joined.append((key, value))
    return joined


def _decoded(run: list[tuple[bytes, bool]]) -> bytes:
    """Return the octets of the value, or nothing if they include control characters, which a token cannot hold."""
    pieces = [unquote_to_bytes(piece) if extended else piece for piece, extended in run]
    first, extended = run[0]
    if extended and first.count(b"'") >= 2:
        pieces[0] = unquote_to_bytes(first.split(b"'", 2)[2])
    value = b"".join(pieces)
    return b"" if _CONTROL.search(value) else value


def _encoded(run: list[tuple[bytes, bool]]) -> bytes:
    """Return `charset'language'value` of all sections, and escape those that came without escapes."""
    pieces = [piece if extended else quote_from_bytes(piece, _ATTRIBUTE).encode() for piece, extended in run]
    return (b"" if run[0][1] else b"''") + b"".join(pieces)


def without_comments(text: bytes) -> bytes:
    """Return the text without RFC 5322 comments, however deep. An unclosed parenthesis is not a comment."""
    steps = _STEP.findall(text)
    kept: list[bytes] = []
    begun = depth = 0
    quoted = False
    for index, step in enumerate(steps):
        if depth:  # quotes have no meaning in comments
            depth += 1 if step == b"(" else -1 if step == b")" else 0
        elif step == b"(" and not quoted:
            begun, depth = index, 1
        else:
            quoted ^= step == b'"'
            kept.append(step)
    if depth:
        kept += steps[begun:]
    return b"".join(kept)


def tokens(value: bytes) -> tuple[bytes, ...]:
    """Return the tokens of a field, such as Content-Language."""
    text = value[:MAX_OCTETS].replace(b"\r\n", b"")
    return tuple(_TOKEN.findall(without_comments(text) if b"(" in text else text)[:MAX_PARAMETERS])
