"""Queue ids: 128 bits, ordered by time, never repeated, even after a restore."""

import re

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i l o u
_DIGITS = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")  # as int() reads base 32
_FORM = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}")


def queue_id(now_ms: int, noise: bytes) -> str:
    """Return 26 characters: 48 bits of milliseconds since 1970, then 80 bits of `noise` (10 octets).

    The noise keeps ids unique even if the clock is set back or a spool is restored.
    """
    if len(noise) != 10:
        raise ValueError("noise must be 10 octets")
    number = (now_ms & (1 << 48) - 1) << 80 | int.from_bytes(noise, "big")
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def is_queue_id(text: str) -> bool:
    """Return whether the text has the form of a queue id."""
    return _FORM.fullmatch(text) is not None


def number_of(text: str) -> int:
    """Return the 128 bits of a queue id."""
    return int(text.translate(_DIGITS), 32)
