"""The grammar of SPF records. RFC 7208 sections 4.5, 4.6 and 12.

Room rule: the whole record is parsed before anything is evaluated, since one error anywhere in it is a permerror
(section 4.6).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from postroom.policy.spf.macros import (
    MacroString,
    SpfSyntaxError,
    parse_domain_spec,
    parse_macro_string,
)

_VERSION: Final = re.compile(rb"v=spf1(?: |\Z)", re.IGNORECASE)
_TERM: Final = re.compile(r"([+\-?~]?)([A-Za-z][A-Za-z0-9._-]*)(?:([=:/])(.*))?\Z", re.DOTALL)
_CIDR: Final = re.compile(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?\Z")
_IP4: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/(?:0|[1-9][0-9]?))?\Z")
_IP6: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}(?:/(?:0|[1-9][0-9]{0,2}))?\Z")
_LONGEST_RECORD: Final = 16_384

_NEEDS_DOMAIN: Final = frozenset({"include", "exists"})
_TAKES_CIDR: Final = frozenset({"a", "mx"})
_MECHANISMS: Final = frozenset({"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"})


@dataclass(frozen=True, slots=True)
class Directive:
    """A qualifier and a mechanism. `domain` is None for the current domain."""

    text: str
    qualifier: str
    mechanism: str
    domain: MacroString | None = None
    cidr4: int = 32
    cidr6: int = 128
    network: IPv4Network | IPv6Network | None = None


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """A grammatically valid record. `redirect` is None if an `all` makes it void (section 6.1)."""

    directives: tuple[Directive, ...]
    redirect: MacroString | None = None
    explanation: MacroString | None = None


def spf_texts(texts: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the TXT records that are SPF records (section 4.5)."""
    return tuple(text for text in texts if _VERSION.match(text))


@lru_cache(maxsize=1024)
def parse_record(text: bytes) -> SpfRecord:
    """Parse one record. Raises SpfSyntaxError."""
    if len(text) > _LONGEST_RECORD:
        raise SpfSyntaxError("record too long")
    try:
        terms = text.decode("ascii")[len("v=spf1") :].split(" ")
    except UnicodeDecodeError:
        raise SpfSyntaxError("record is not ASCII") from None
    directives: list[Directive] = []
    modifiers: dict[str, MacroString] = {}
    for term in filter(None, terms):
        match = _TERM.match(term)
        if match is None:
            raise SpfSyntaxError(f"not a term: {term[:60]}")
        if match[3] == "=":
            _read_modifier(match, modifiers)
        else:
            directives.append(_directive(term, match))
    has_all = any(directive.mechanism == "all" for directive in directives)
    return SpfRecord(tuple(directives), None if has_all else modifiers.get("redirect"), modifiers.get("exp"))


def _read_modifier(match: re.Match[str], modifiers: dict[str, MacroString]) -> None:
    name = match[2].lower()
    if match[1]:
        raise SpfSyntaxError(f"a modifier takes no qualifier: {name[:60]}")
    if name not in ("redirect", "exp"):
        parse_macro_string(match[4])
        return
    if name in modifiers:
        raise SpfSyntaxError(f"{name} given twice")
    modifiers[name] = parse_domain_spec(match[4])


def _directive(term: str, match: re.Match[str]) -> Directive:
    qualifier, mechanism = match[1] or "+", match[2].lower()
    argument = "/" + match[4] if match[3] == "/" else match[4] or ""
    if mechanism not in _MECHANISMS:
        raise SpfSyntaxError(f"unknown mechanism: {mechanism[:60]}")
    if mechanism == "all":
        if match[3]:
            raise SpfSyntaxError("all takes no argument")
        return Directive(term, qualifier, mechanism)
    if mechanism in ("ip4", "ip6"):
        if match[3] != ":":
            raise SpfSyntaxError(f"{mechanism} needs an address")
        return Directive(term, qualifier, mechanism, network=_network(mechanism, argument))
    cidr4, cidr6 = 32, 128
    if mechanism in _TAKES_CIDR:
        argument, cidr4, cidr6 = _without_cidr(argument)
    if match[3] == ":" or argument or mechanism in _NEEDS_DOMAIN:
        if match[3] != ":":
            raise SpfSyntaxError(f"bad argument: {term[:60]}")
        domain = parse_domain_spec(argument)
        return Directive(term, qualifier, mechanism, domain, cidr4, cidr6)
    return Directive(term, qualifier, mechanism, None, cidr4, cidr6)


def _network(mechanism: str, text: str) -> IPv4Network | IPv6Network:
    try:
        if mechanism == "ip4" and _IP4.match(text):
            return IPv4Network(text, strict=False)
        if mechanism == "ip6" and _IP6.match(text):
            return IPv6Network(text, strict=False)
    except ValueError:
        pass
    raise SpfSyntaxError(f"bad {mechanism} network: {text[:60]}")


def _without_cidr(argument: str) -> tuple[str, int, int]:
    match = _CIDR.search(argument)
    if match is None or not match[0]:
        return argument, 32, 128
    cidr4, cidr6 = int(match[1] or 32), int(match[2] or 128)
    if cidr4 > 32 or cidr6 > 128:
        raise SpfSyntaxError(f"bad prefix length: {argument[-20:]}")
    return argument[: match.start()], cidr4, cidr6
