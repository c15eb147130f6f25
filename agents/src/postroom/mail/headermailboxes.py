"""Mailboxes in address fields. RFC 5322 sections 3.4 and 4.4, RFC 6532 section 3.2.

Room rule: code that decides who is responsible must never guess. A field that does not follow the grammar is reported
as malformed; for an author's field the domains of everybody who could be shown are then read (`mail.untidy`). Encoded
words are never decoded here, so nothing inside one can become an address. No recursion: comments are counted, not
descended into.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from postroom.mail.headers import HeaderBlock
from postroom.mail.untidy import everybody, read_untidy, words_masked

MAX_COMMENT_DEPTH: Final = 32
MAX_MAILBOXES: Final = 1000
MAX_OCTETS: Final = 65_536  # of all fields that are examined together

_TOO_LONG: Final = "too long"
_TOO_MANY: Final = "too many mailboxes"
_LIMITS: Final = frozenset({_TOO_LONG, _TOO_MANY})

_ATOM: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\x80-\xff]+")
_QUOTED: Final = re.compile(rb'"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~\x80-\xff])*+)"')
_LITERAL: Final = re.compile(rb"\[[!-Z^-~]*+\]")  # RFC 5321 section 4.1.3; folding space has no use here
# such names could be displayed as shorter ones
_DOMAIN: Final = re.compile(rb"[A-Za-z0-9_.\x80-\xff-]+|\[.*\]")
_COMMENT_STEP: Final = re.compile(rb"(?:[^()\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~\x80-\xff])*+([()])")
_SPECIAL: Final = re.compile(rb'["(\[]')
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)


class HeaderMailbox(NamedTuple):
    """One mailbox: `local` without quotes and escapes, `domain` as written (or a literal in brackets)."""

    local: bytes
    domain: bytes
    name: bytes = b""

    @property
    def address(self) -> bytes:
        """Return `local@domain` for comparison; the local part is not quoted again."""
        return self.local + b"@" + self.domain


@dataclass(frozen=True, slots=True)
class AddressList:
    """The mailboxes of a list, including those in groups. `malformed` says why it is not a list, or is empty."""

    mailboxes: tuple[HeaderMailbox, ...]
    malformed: str = ""


@dataclass(frozen=True, slots=True)
class Author:
    """What all From fields of a message say together (RFC 5322 section 3.6.2).

    `untidy`: the only field is not an address list, and the mailboxes have only domains, those of everybody who could
    be shown as an author. `doubtful`: a reader may see another address in it. `malformed`: it exceeds a limit, or one
    of several fields is not a list.
    """

    fields: int
    mailboxes: tuple[HeaderMailbox, ...]
    malformed: str = ""
    untidy: bool = False
    doubtful: bool = False

    @property
    def domains(self) -> tuple[str, ...]:
        """Return the distinct domains in lower case, in order. Octets that are not UTF-8 are replaced."""
        found = dict.fromkeys(box.domain.decode("utf-8", "replace").lower() for box in self.mailboxes)
        return tuple(found)

    @property
    def only(self) -> HeaderMailbox | None:
        """Return the author if there is exactly one well-formed field with exactly one mailbox, or None."""
        if self.fields != 1 or len(self.mailboxes) != 1 or self.malformed or self.untidy:
            return None
        return self.mailboxes[0]


class _Malformed(ValueError):
    pass


class Token(NamedTuple):
    """One lexical token: `kind` is `atom`, `quoted`, `literal` or the special character itself."""

    kind: str
    text: bytes


def author(block: HeaderBlock) -> Author:
    """Return the author of a message from all its From fields."""
    fields = block.all(b"from")
    found, malformed = _together(field.value for field in fields)
    sound = not malformed and all(_DOMAIN.fullmatch(box.domain) for box in found)
    if len(fields) != 1 or malformed in _LIMITS:
        return Author(len(fields), found, malformed)
    value = fields[0].value
    tidy = bool(found) and sound
    if tidy and _has_one_reading(value, found):
        return Author(1, found)
    untidy = everybody(value) if tidy else read_untidy(value)
    boxes = tuple(HeaderMailbox(b"", domain) for domain in untidy.domains)
    return Author(1, boxes, untidy=True, doubtful=untidy.doubtful)


def _has_one_reading(value: bytes, found: tuple[HeaderMailbox, ...]) -> bool:
    """Return whether lenient readers of a well-formed field see the same authors.

    Some see encoded words before quotes and comments, or decode them within an address, where RFC 2047 section 5
    forbids them, and others see the address in angle brackets within a comment.
    """
    if any(b"=?" in box.local for box in found):
        return False
    if b"(" in value and any(b"<" in one and b"@" in one for one in _comments(value)):
        return False
    if b"=?" not in value or not _SPECIAL.search(value):
        return True
    other = parse_address_list(words_masked(value))
    return not other.malformed and [box.domain for box in other.mailboxes] == [box.domain for box in found]


def _comments(text: bytes) -> Iterator[bytes]:
    """Return the comments of a well-formed field."""
    position = 0
    while opening := _SPECIAL.search(text, position):
        at = opening.start()
        if opening[0] == b"(":
            position = _comment_end(text, at, MAX_COMMENT_DEPTH)
            yield text[at:position]
        else:
            position = (
                match.end() if (match := _QUOTED.match(text, at) or _LITERAL.match(text, at)) else at + 1
            )


def senders(block: HeaderBlock) -> AddressList:
    """Return the mailboxes of Sender, Resent-From and Resent-Sender (RFC 5322 sections 3.6.2 and 3.6.6)."""
    names = (b"sender", b"resent-from", b"resent-sender")
    return AddressList(*_together(field.value for field in block.fields if field.key in names))


def parse_address_list(
    text: bytes,
    *,
    max_octets: int = MAX_OCTETS,
    max_mailboxes: int = MAX_MAILBOXES,
    max_depth: int = MAX_COMMENT_DEPTH,
) -> AddressList:
    """Parse an unfolded address list in linear time and memory.

    Mailboxes found before an error are returned together with `malformed`. A phrase without an address between two
    commas (`Smith, John <j@x>`: somebody forgot to quote a comma) is skipped, since it names nobody. A phrase with a
    quoted @ or an encoded word is not skipped, since a reader may show it as an author.
    """
    if len(text) > max_octets:
        return AddressList((), _TOO_LONG)
    found: list[HeaderMailbox] = []
    try:
        _read_list(_tokens(text, max_depth), found, max_mailboxes)
    except _Malformed as mistake:
        return AddressList(tuple(found), str(mistake))
    return AddressList(tuple(found))


def _together(values: Iterable[bytes]) -> tuple[tuple[HeaderMailbox, ...], str]:
    found: list[HeaderMailbox] = []
    malformed = ""
    left = MAX_OCTETS
    for value in values:
        part = parse_address_list(value, max_octets=left)
        left = max(0, left - len(value))
        found += part.mailboxes
        malformed = malformed or part.malformed
    return tuple(found), malformed


def _tokens(text: bytes, max_depth: int) -> list[Token]:
    tokens: list[Token] = []
    position, size = 0, len(text)
    while position < size:
        octet = text[position : position + 1]
        if octet in b" \t":
            position += 1
        elif octet == b"(":
            position = _comment_end(text, position, max_depth)
        elif octet in b"<>@,;:.":
            tokens.append(Token(octet.decode(), octet))
            position += 1
        else:
            token, position = _word(text, position)
            tokens.append(token)
    return tokens


def _word(text: bytes, position: int) -> tuple[Token, int]:
    if match := _ATOM.match(text, position):
        return Token("atom", match[0]), match.end()
    if match := _QUOTED.match(text, position):
        return Token("quoted", _ESCAPE.sub(rb"\1", match[1])), match.end()
    if match := _LITERAL.match(text, position):
        return Token("literal", match[0]), match.end()
    if _CONTROL.match(text, position):
        raise _Malformed("control character in an address field")
    raise _Malformed("unbalanced or misplaced quoting")


def _comment_end(text: bytes, position: int, max_depth: int) -> int:
    depth = 0
    while step := _COMMENT_STEP.match(text, position):
        depth += 1 if step[1] == b"(" else -1
        position = step.end()
        if depth == 0:
            return position
        if depth > max_depth:
            raise _Malformed("comments nested too deeply")
    raise _Malformed("unbalanced comment")


def _read_list(tokens: list[Token], found: list[HeaderMailbox], max_mailboxes: int) -> None:
    """Split at commas outside of angle brackets and read each item (RFC 5322 address-list, obs-addr-list)."""
    item: list[Token] = []
    angle = group = False
    for token in tokens:
        kind = token.kind
        if kind == "<":
            angle = True
        elif kind == ">":
            angle = False
        if angle or kind not in ",:;":
            item.append(token)
            continue
        if kind == ":":
            if group or not _is_phrase(item):
                raise _Malformed("misplaced colon")
            group = True
        else:
            _read_item(item, found, max_mailboxes)
            if kind == ";":
                if not group:
                    raise _Malformed("misplaced semicolon")
                group = False
        item = []
    if angle or group:
        raise _Malformed("unfinished group or angle bracket")
    _read_item(item, found, max_mailboxes)


def _read_item(item: list[Token], found: list[HeaderMailbox], max_mailboxes: int) -> None:
    if not item:
        return
    kinds = [token.kind for token in item]
    if "<" in kinds:
        opening = kinds.index("<")
        if kinds[-1] != ">" or kinds.count("<") > 1 or kinds.count(">") > 1:
            raise _Malformed("text behind an angle bracket")
        name, addr_spec = item[:opening], _without_route(item[opening + 1 : -1])
        if name and not _is_phrase(name):
            raise _Malformed("a display name needs quotes")
    elif "@" in kinds:
        name, addr_spec = [], item
    elif _is_phrase(item) and not any(b"=?" in one.text or b"@" in one.text for one in item):
        return
    else:
        raise _Malformed("no address")
    if len(found) >= max_mailboxes:
        raise _Malformed(_TOO_MANY)
    found.append(_mailbox(name, addr_spec))


def _is_phrase(tokens: list[Token]) -> bool:
    """Return whether this is RFC 5322's phrase or obs-phrase: words, and dots after the first."""
    if not tokens or tokens[0].kind == ".":
        return False
    return all(token.kind in ("atom", "quoted", ".") for token in tokens)


def _without_route(tokens: list[Token]) -> list[Token]:
    """Remove an obs-route (`@a,@b:`), which no longer has a meaning (RFC 5321 section 4.1.1.3)."""
    if not tokens or tokens[0].kind not in "@,":
        return tokens
    colon = next((at for at, token in enumerate(tokens) if token.kind == ":"), None)
    if colon is None or any(token.kind not in ("@", ",", ".", "atom", "literal") for token in tokens[:colon]):
        raise _Malformed("bad source route")
    return tokens[colon + 1 :]


def _mailbox(name: list[Token], addr_spec: list[Token]) -> HeaderMailbox:
    kinds = [token.kind for token in addr_spec]
    if kinds.count("@") != 1:
        raise _Malformed("not exactly one @ in an address")
    at = kinds.index("@")
    local, domain = addr_spec[:at], addr_spec[at + 1 :]
    if not _dotted(local, ("atom", "quoted")) or not (
        [token.kind for token in domain] == ["literal"] or _dotted(domain, ("atom",))
    ):
        raise _Malformed("bad local part or domain")
    return HeaderMailbox(_joined(local), _joined(domain), b" ".join(token.text for token in name))


def _dotted(tokens: list[Token], words: tuple[str, ...]) -> bool:
    """Return whether this is `word *("." word)`."""
    if len(tokens) % 2 == 0:
        return False
    return all(
        token.kind in words if index % 2 == 0 else token.kind == "." for index, token in enumerate(tokens)
    )


def _joined(tokens: list[Token]) -> bytes:
    return b"".join(token.text for token in tokens)
