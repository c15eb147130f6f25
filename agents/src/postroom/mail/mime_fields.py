"""Values of MIME fields: type, parameters, tokens. RFC 2045 section 5.1, RFC 2183; RFC 2231 names as they stand.

Room rule: lenient, linear, at most 64 parameters; what cannot be read is left out.
"""

import re
from typing import Final, NamedTuple

MAX_PARAMETERS: Final = 64
MAX_OCTETS: Final = 1 << 16  # of one field that are read
Parameters = tuple[tuple[bytes, bytes], ...]

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")  # RFC 2045 section 5.1
_TYPE: Final = re.compile(rb"\s*([!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+)\s*/\s*([!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+)")
_SINGLE: Final = re.compile(rb"\s*([!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+)()")
_PARAMETER: Final = re.compile(
    rb'[^;"]*+(?:"(?:[^"\\]|\\.)*+"?[^;"]*+)*+;\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?|([^;\s"]*+))',
    re.DOTALL,
)
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)
_COMMENT_STEP: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|\\.|[()]|[^"\\()]++|\\', re.DOTALL)


class Typed(NamedTuple):
    """Type, subtype (both in upper case) and parameters, names in upper case, values unquoted."""

    type: bytes
    subtype: bytes
    params: Parameters

    def parameter(self, name: bytes) -> bytes:
        """The first parameter of that name, or nothing."""
        return next((value for key, value in self.params if key == name), b"")


def read_typed(value: bytes, *, single: bool = False) -> Typed | None:
    """`type/subtype; name=value`, with `single` only a type; None when it begins otherwise."""
    text = value[:MAX_OCTETS].replace(b"\r\n", b"")
    if b"(" in text:
        text = without_comments(text)
    match = (_SINGLE if single else _TYPE).match(text)
    if match is None:
        return None
    return Typed(match[1].upper(), match[2].upper(), _parameters(text, match.end()))


def _parameters(text: bytes, position: int) -> Parameters:
    found: list[tuple[bytes, bytes]] = []
    while len(found) < MAX_PARAMETERS and (match := _PARAMETER.match(text, position)):
        name, quoted, plain = match.groups()
        value = plain if quoted is None else _ESCAPE.sub(rb"\1", quoted)
        found.append((name.upper(), value))
        position = match.end()
    return tuple(found)


def without_comments(text: bytes) -> bytes:
    """RFC 5322 comments taken out, however deep; one that never ends takes the rest."""
    depth = 0
    kept = []
    for step in _COMMENT_STEP.findall(text):
        if step == b"(":
            depth += 1
        elif step == b")" and depth:
            depth -= 1
        elif depth == 0:
            kept.append(step)
    return b"".join(kept)


def tokens(value: bytes) -> tuple[bytes, ...]:
    """The tokens of a field, such as Content-Language."""
    text = value[:MAX_OCTETS].replace(b"\r\n", b"")
    return tuple(_TOKEN.findall(without_comments(text) if b"(" in text else text)[:MAX_PARAMETERS])
