"""Writing display names. RFC 5322 section 3.2.5, RFC 2047 section 5."""

import re
from base64 import b64encode
from typing import Final

from postroom.mail.untidy import without_quotes

MAX_NAME: Final = 200  # characters of a name that are kept
_WORD_OCTETS: Final = 45  # so that an encoded word has at most 75 octets

_ENCODED: Final = re.compile(
    rb"=\?[A-Za-z0-9_*+.-]{1,40}\?(?:[bB]\?[A-Za-z0-9+/=]{1,75}|[qQ]\?[A-Za-z0-9!*+/=_-]{1,75})\?="
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def phrase(name: str) -> str:
    """Return a display name followed by a space, or nothing for an empty name."""
    if not name:
        return ""
    if name.isascii():
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" '
    words, word = [], ""
    for char in name[:MAX_NAME]:
        if len((word + char).encode()) > _WORD_OCTETS:
            words.append(word)
            word = ""
        word += char
    words.append(word)
    return " ".join(f"=?utf-8?b?{b64encode(one.encode()).decode()}?=" for one in words) + " "


def tidy_phrase(text: bytes) -> str:
    """Quote a name that came without the quotes it needs, and add a space. Encoded words in it are unchanged."""
    pieces: list[str] = []
    plain: list[bytes] = []
    for word in _ENCODED.sub(rb" \g<0> ", without_quotes(text)).split():
        if _ENCODED.fullmatch(word):
            pieces += [_quoted(plain), f"{word.decode('ascii')} "]
            plain = []
        else:
            plain.append(word)
    return "".join((*pieces, _quoted(plain)))


def _quoted(words: list[bytes]) -> str:
    octets = b" ".join(words)
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    return phrase(_CONTROL.sub("?", text[:MAX_NAME]))
