"""Sections as slices of a message. RFC 3501 section 6.4.5.

Room rule: offsets come with the structure; nothing is decoded and no body is read to find a part.
"""

import re
from typing import Final

from postroom.mail.mime import Part
from postroom.wire.imap.fetchitems import Section, Text

_FIELD: Final = re.compile(rb"([^\r\n:]*+)[^\n]*+(?:\n[ \t][^\n]*+)*+\n?+")
_HEADER_TEXTS: Final = (Text.HEADER, Text.FIELDS, Text.FIELDS_NOT)


def needs_structure(section: Section) -> bool:
    """Whether the parts have to be known: only for numbered ones."""
    return bool(section.part)


def slice_of(section: Section, content: bytes, root: Part | None) -> bytes | memoryview | None:
    """The octets of the section, cut to the partial range; None when there is no such part.

    `root` may be None when `needs_structure` is false.
    """
    octets = _whole(section, content, root)
    if octets is None:
        return None
    if section.start or section.count is not None:
        stop = None if section.count is None else section.start + section.count
        return octets[section.start : stop]
    return octets


def header_end(content: bytes) -> int:
    """Where the body begins."""
    if content[:2] == b"\r\n":
        return 2
    found = content.find(b"\r\n\r\n")
    return len(content) if found < 0 else found + 4


def chosen_fields(header: bytes, names: frozenset[bytes], *, without: bool) -> bytes:
    """The fields of these names (upper case), or all others, and the empty line."""
    kept = [
        found[0]
        for found in _FIELD.finditer(header)
        if found[0] not in (b"\r\n", b"\n", b"") and (found[1].strip().upper() in names) is not without
    ]
    if kept and not kept[-1].endswith(b"\n"):
        kept.append(b"\r\n")
    return b"".join((*kept, b"\r\n"))


def _whole(section: Section, content: bytes, root: Part | None) -> bytes | memoryview | None:
    if not section.part:
        return _of_message(section, content, 0, header_end(content), len(content))
    part = _find(root, section.part) if root else None
    if part is None:
        return None
    view = memoryview(content)
    if section.text is Text.ALL:
        return view[part.body : part.end]
    if section.text is Text.MIME:
        return view[part.start : part.body]
    if not (part.type == b"MESSAGE" and part.subtype == b"RFC822" and part.parts):
        return None
    message = part.parts[0]
    return _of_message(section, content, message.start, message.body, message.end)


def _of_message(section: Section, content: bytes, start: int, body: int, end: int) -> bytes | memoryview:
    if section.text is Text.ALL:
        return memoryview(content)[start:end]
    if section.text is Text.TEXT:
        return memoryview(content)[body:end]
    if section.text in _HEADER_TEXTS and section.text is not Text.HEADER:
        return chosen_fields(content[start:body], section.fields, without=section.text is Text.FIELDS_NOT)
    return content[start:body]


def _find(root: Part, path: tuple[int, ...]) -> Part | None:
    """The numbered part. A message that is no multipart has one part, its body."""
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
    """What further numbers count in: the parts of a multipart, or those of a message's message."""
    if part.type == b"MULTIPART":
        return part
    if part.type == b"MESSAGE" and part.parts:
        return part.parts[0]
    return None
