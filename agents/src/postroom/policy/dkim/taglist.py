"""Tag=value lists. RFC 6376 section 3.2."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_SPACE: Final = " \t\r\n"
_SPACES: Final = re.compile(r"[ \t\r\n]+")


class TagError(ValueError):
    """Not a tag list, or a tag with an impossible value. The text says which."""


def parse_tags(text: str) -> dict[str, str]:
    """Return names and values in order, both stripped of white space.

    Raises TagError: a part without `=`, a bad name, a name given twice.
    """
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        name = name.strip(_SPACE)
        if not equals:
            if name:
                raise TagError("a tag without a value")
            continue
        if not _NAME.match(name):
            raise TagError("a bad tag name")
        if name in tags:
            raise TagError(f"tag {name} given twice")
        tags[name] = value.strip(_SPACE)
    return tags


def base64_value(text: str, tag: str) -> bytes:
    """Decode a base64 value, which may contain white space anywhere. Raises TagError."""
    try:
        return b64decode(_SPACES.sub("", text), validate=True)
    except (Base64Error, ValueError):
        raise TagError(f"tag {tag} is not base64") from None


def items(text: str) -> tuple[str, ...]:
    """Return the items of a colon-separated list, without white space, in lower case."""
    return tuple(item.strip(_SPACE).lower() for item in text.split(":"))
