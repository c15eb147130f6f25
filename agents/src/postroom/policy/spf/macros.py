"""Macro strings of SPF. RFC 7208 section 7.

Room rule: parsing uses no facts, expansion knows no syntax.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import quote

_LONGEST_NAME: Final = 253

_TOKEN: Final = re.compile(
    r"%\{([slodiphcrtvSLODIPHCRTV])([0-9]*)([rR]?)([.\-+,/_=]*)\}"  # macro-expand
    r"|%([%_-])"
    r"|([!-$&-~]+)"  # macro-literal
    r"|( +)"  # explain-string only
)
_TOP_LABEL: Final = re.compile(
    r"\.(?:[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*|[A-Za-z0-9]+-[A-Za-z0-9-]*[A-Za-z0-9])\.?\Z"
)
_ESCAPES: Final = {"%": "%", "_": " ", "-": "%20"}
_EXPLANATION_ONLY: Final = frozenset("crt")


class SpfSyntaxError(ValueError):
    """The record, or a macro string in it, breaks the grammar. The text names the place."""


@dataclass(frozen=True, slots=True)
class Macro:
    """One macro-expand: `%{d2r.-}` is letter d, 2 parts, reversed, split at `.` and `-`."""

    letter: str
    parts: int
    reverse: bool
    delimiters: str
    escape: bool


MacroString: TypeAlias = tuple[str | Macro, ...]


def parse_domain_spec(text: str) -> MacroString:
    """Parse a domain-spec, which ends in a top label or in a macro. Raises SpfSyntaxError."""
    tokens = _parse(text, explanation=False)
    if not text or not (isinstance(tokens[-1], Macro) or _TOP_LABEL.search(text)):
        raise SpfSyntaxError(f"not a domain: {text[:60]}")
    return tokens


def parse_macro_string(text: str) -> MacroString:
    """Parse a macro-string, as in an unknown modifier. Raises SpfSyntaxError."""
    return _parse(text, explanation=False)


def parse_explanation(text: str) -> MacroString:
    """Parse an explain-string, which may also have spaces and the letters c, r, t. Raises SpfSyntaxError."""
    return _parse(text, explanation=True)


def _parse(text: str, *, explanation: bool) -> MacroString:
    tokens: list[str | Macro] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or (match[7] and not explanation):
            raise SpfSyntaxError(f"bad macro string: {text[position : position + 20]}")
        tokens.append(_macro(match, explanation) if match[1] else _literal(match))
        position = match.end()
    return tuple(tokens)


def _literal(match: re.Match[str]) -> str:
    return _ESCAPES[match[5]] if match[5] else match[6] or match[7]


def _macro(match: re.Match[str], explanation: bool) -> Macro:
    letter = match[1].lower()
    if letter in _EXPLANATION_ONLY and not explanation:
        raise SpfSyntaxError(f"macro {letter} outside of an explanation")
    parts = min(int(match[2][:6]), 999) if match[2] else 0
    if match[2] and parts == 0:
        raise SpfSyntaxError("macro keeps zero parts")
    return Macro(letter, parts, bool(match[3]), match[4] or ".", match[1].isupper())


def expand(tokens: MacroString, facts: Mapping[str, str]) -> str:
    """Replace each macro letter with its value from `facts`."""
    return "".join(token if isinstance(token, str) else _expanded(token, facts) for token in tokens)


def expand_domain(tokens: MacroString, facts: Mapping[str, str]) -> str:
    """Expand to a domain name. Labels are removed on the left until 253 characters remain (section 7.3)."""
    name = expand(tokens, facts).removesuffix(".")
    while len(name) > _LONGEST_NAME:
        _, dot, name = name.partition(".")
        if not dot:
            return ""
    return name


def uses(tokens: Sequence[str | Macro], letter: str) -> bool:
    """Return whether a macro letter occurs."""
    return any(isinstance(token, Macro) and token.letter == letter for token in tokens)


def _expanded(macro: Macro, facts: Mapping[str, str]) -> str:
    text = facts[macro.letter]
    if macro.parts or macro.reverse or macro.delimiters != ".":
        pieces = re.split(f"[{re.escape(macro.delimiters)}]", text)
        if macro.reverse:
            pieces.reverse()
        text = ".".join(pieces[-macro.parts :] if macro.parts else pieces)
    return quote(text, safe="-._~") if macro.escape else text
