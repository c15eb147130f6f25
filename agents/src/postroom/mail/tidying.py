"""Normalises address fields of our own users' mail, so that all readers parse them alike. RFC 5322 section 3.4."""

import re
from typing import Final

from postroom.mail.address import quoted_local
from postroom.mail.headermailboxes import HeaderMailbox, parse_address_list
from postroom.mail.headers import Field
from postroom.mail.headertext import UnsafeText, field
from postroom.mail.phrases import tidy_phrase
from postroom.mail.untidy import read_untidy

# The most common form: plain words or a quoted name, and one address.
_DOMAIN: Final = rb"[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)*+"
_SIMPLE: Final = re.compile(
    rb"[A-Za-z0-9.+_=-]+@" + _DOMAIN + rb"|(?:\"[^\"\\@<>,;\x00-\x1f\x7f]*\"|[A-Za-z0-9 '_=?*/+-]*)[ \t]*"
    rb"<[A-Za-z0-9.+_=-]+@" + _DOMAIN + rb">"
)

_END: Final = b" \t.,;"  # meaningless octets that may follow the last address


def tidied(one: Field) -> bytes:
    """Return the field with its names quoted and without comments and routes, or unchanged.

    A field stays as it is if there is only one way to read it, or none: the caller refuses the latter.
    """
    value = one.value
    if _SIMPLE.fullmatch(value) or not (boxes := _boxes(value)):
        return one.raw
    try:
        name = one.raw.partition(b":")[0].strip(b" \t").decode("ascii")
        return field(name, ", ".join(map(_written, boxes)))
    except (UnsafeText, UnicodeDecodeError):
        return one.raw


def _boxes(value: bytes) -> tuple[HeaderMailbox, ...]:
    """Return the mailboxes to write back."""
    found = parse_address_list(value)
    if not found.malformed and not _is_ambiguous(value, len(found.mailboxes)):
        return ()
    if found.malformed or len(found.mailboxes) == 1:
        untidy = read_untidy(value)
        if untidy.angle and untidy.name is not None:
            inner = parse_address_list(b"<" + untidy.angle.rstrip(_END) + b">")
            return () if inner.malformed else tuple(box._replace(name=untidy.name) for box in inner.mailboxes)
    if found.malformed:
        found = parse_address_list(value.rstrip(_END))
    return () if found.malformed else found.mailboxes


def _is_ambiguous(value: bytes, mailboxes: int) -> bool:
    """Return whether a simple reader could find another number of mailboxes in a well-formed list."""
    return (
        value.count(b"@") != mailboxes
        or value.count(b"<") > mailboxes
        or value.count(b",") != max(0, mailboxes - 1)
        or b";" in value
    )


def _written(box: HeaderMailbox) -> str:
    local = quoted_local(box.local.decode("ascii"))
    name = box.name.replace(b" .", b".")
    return f"{tidy_phrase(name)}<{local}@{box.domain.decode('ascii')}>"
