"""Sections as slices of a message. RFC 3501 section 6.4.5.

Room rule: the structure has the offsets of all parts, so that finding one decodes nothing and reads no body.
"""

import re
from typing import Final

from postroom.mail.mime import Part
from postroom.wire.imap.fetchitems import Section, Text

_FIELD: Final = re.compile(rb"([^\r\n:]*+)[^\n]*+(?:\n[ \t][^\n]*+)*+\n?+")


def slice_of(section: Section, content: bytes, root: Part | None) -> bytes | memoryview | None:
    """Return the octets of the section, cut to the partial range; None when there is no such part.

    `root` may be None when the section names no part.
    """
    if section.part:
        found = region(section, root) if root else None
    else:
        found = _of_message(section, 0, header_end(content), len(content))
    if found is None:
        return None
    return cut(section, memoryview(content)[slice(*found)])


def region(section: Section, root: Part) -> tuple[int, int] | None:
    """Return start and end of the section in a message, before fields are chosen and the partial range is cut."""
    if not section.part:
        return _of_message(section, root.start, root.body, root.end)
    part = _find(root, section.part)
    if part is None:
        return None
    if section.text is Text.ALL:
        return part.body, part.end
    if section.text is Text.MIME:
        return part.start, part.body
    if not (part.type == b"MESSAGE" and part.subtype == b"RFC822" and part.parts):
        return None
    message = part.parts[0]
    return _of_message(section, message.start, message.body, message.end)


def chooses_fields(section: Section) -> bool:
    """Tell whether the section is some fields of a header."""
    return section.text in {Text.FIELDS, Text.FIELDS_NOT}


def cut(section: Section, octets: bytes | memoryview) -> bytes | memoryview:
    """Return the section out of the octets of its region."""
    if chooses_fields(section):
        octets = chosen_fields(bytes(octets), section.fields, without=section.text is Text.FIELDS_NOT)
    if section.start or section.count is not None:
        stop = None if section.count is None else section.start + section.count
        return octets[section.start : stop]
    return octets


def header_end(content: bytes) -> int:
    """Return where the body begins."""
    if content[:2] == b"\r\n":
        return 2
    found = content.find(b"\r\n\r\n")
    return len(content) if found < 0 else found + 4


def chosen_fields(header: bytes, names: frozenset[bytes], *, without: bool) -> bytes:
    """Return the fields with these names (upper case), or all others, and the empty line."""
    kept = [
        found[0]
        for found in _FIELD.finditer(header)
        if found[0] not in (b"\r\n", b"\n", b"") and (found[1].strip().upper() in names) is not without
    ]
    if kept and not kept[-1].endswith(b"\n"):
        kept.append(b"\r\n")
    return b"".join((*kept, b"\r\n"))


def _of_message(section: Section, start: int, body: int, end: int) -> tuple[int, int]:
    if section.text is Text.ALL:
        return start, end
    return (body, end) if section.text is Text.TEXT else (start, body)


def _find(root: Part, path: tuple[int, ...]) -> Part | None:
    """Return the numbered part, or None. A message that is no multipart has one part, its body."""
    message: Part | None = root
    part = root
    for number in path:
        if message is None:
            return None
        if message.type == b"MULTIPART":
            if not 1 <= number <= len(message.parts):
                return None
            part = message.parts[number - 1]
        elif number == 1:
            part = message
        else:
            return None
        message = _inside(part)
    return part


def _inside(part: Part) -> Part | None:
    """Return the part whose parts the next number counts: a multipart, or the message inside a message."""
    if part.type == b"MULTIPART":
        return part
    if part.type == b"MESSAGE" and part.parts:
        return part.parts[0]
    return None
