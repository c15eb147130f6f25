"""Charsets by name. RFC 2978, WHATWG Encoding Standard section 4.2.

Room rule: the table has only codecs that take linear time and decode characters; Python has others.
"""

import re
from functools import lru_cache
from typing import Final

from postroom.mail.charset_labels import LABELS

MAX_LABEL: Final = 64
_CODECS: Final = {label: codec for codec, labels in LABELS.items() for label in labels.split()}
_PUNCTUATION: Final = re.compile(r"[^a-z0-9]")


def codec_of(label: str) -> str | None:
    """Return the Python codec that reads texts of this charset, or None for an unknown name.

    Case, punctuation and a leading `x-` do not matter.
    """
    return _codec_of(label) if len(label) <= MAX_LABEL else None


@lru_cache(maxsize=256)
def _codec_of(label: str) -> str | None:
    name = _PUNCTUATION.sub("", label.lower())
    return _CODECS.get(name) or _CODECS.get(name.removeprefix("x"))
