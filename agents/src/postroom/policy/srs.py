"""The Sender Rewriting Scheme: mail that is forwarded outside gets an envelope sender of ours.

Otherwise SPF at the next hop would check the original sender's domain against our address (RFC 7208 section 11.2 and
appendix D). `SRS0=hash=day=domain=local@us` leads back to `local@domain`. A sender that is already SRS0 of another
forwarder becomes `SRS1=hash=forwarder==hash=day=domain=local@us`, which leads back to that forwarder, so that addresses
do not grow from hop to hop. The hash prevents strangers from relaying bounces through us.

Room rule: local parts may lose their case in transit, so the hash is computed over lower case and written in base32.
"""

import re
from base64 import b32encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Final

from postroom.mail.address import AddressError, quoted_local, unquoted_local

_HASH_LENGTH: Final = 8  # base32 characters, 40 bits; a local part should stay short
_DAY: Final = 86_400
_DAYS: Final = 1024  # two base32 characters
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_DOMAIN: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\Z")
_LOCAL: Final = re.compile(r"[!#-'*+./-9=?A-Z^-~-]+\Z")  # atoms and dots in any order
_PREFIX: Final = re.compile(r"srs([01])[=+-]", re.IGNORECASE)
# RFC 5321 section 4.5.3.1.1 says 64, but SRS local parts are longer and do arrive
_LONGEST_LOCAL: Final = 256


class SrsError(ValueError):
    """An address that cannot be rewritten or reversed. The text never repeats the address."""


class NotSrs(SrsError):
    """Not an SRS address of this domain."""


class BadHash(SrsError):
    """An SRS address that was not made with any of our secrets."""


class Expired(SrsError):
    """An SRS address that is too old, or from the future."""


@dataclass(frozen=True, slots=True)
class Rewriter:
    """Rewrites senders for one domain of ours.

    `secrets`: the first one signs and all are accepted, so a new one can be added at the front. `max_age_days`: how old
    a bounce may be; longer than mail may queue anywhere.
    """

    domain: str
    secrets: Sequence[bytes]
    max_age_days: int = 21

    def __post_init__(self) -> None:
        if not self.secrets or any(len(secret) < 16 for secret in self.secrets):
            raise ValueError("SRS needs a secret of at least 16 octets")
        if not 1 <= self.max_age_days < _DAYS // 2:
            raise ValueError("SRS addresses live from 1 to 511 days")

    def __repr__(self) -> str:
        return f"Rewriter({self.domain!r})"

    def is_srs(self, address: str) -> bool:
        """Return whether an address looks like one for `reverse`."""
        local, at, domain = address.rpartition("@")
        return (
            bool(at)
            and domain.lower() == self.domain.lower()
            and bool(_PREFIX.match(local.removeprefix('"')))
        )

    def forward(self, address: str, now: int) -> str:
        """Return the envelope sender for a forwarded message. The null sender and our own addresses are unchanged.

        `now`: seconds since the epoch. Raises SrsError for a malformed address, or one whose local part needs quotes
        for more than its dots.
        """
        if not address:
            return ""
        local, at, domain = address.rpartition("@")
        if not at or not local or not _DOMAIN.match(domain):
            raise SrsError("not an address with a domain")
        if domain.lower() == self.domain.lower():
            return address
        local = _unquoted(local)
        if not _LOCAL.match(local):
            raise SrsError("a local part that needs quotes cannot be rewritten")
        rewritten = quoted_local(self._rewritten(local, domain, now))
        if len(rewritten) > _LONGEST_LOCAL:
            raise SrsError("the rewritten address would be too long")
        return f"{rewritten}@{self.domain}"

    def _rewritten(self, local: str, domain: str, now: int) -> str:
        kind = _PREFIX.match(local)
        if kind and kind[1] == "0":
            rest = local[4:]  # with its separator, to be restored exactly
            return f"SRS1={self._hash(self.secrets[0], domain, rest)}={domain}={rest}"
        if kind and (parts := local[5:].split("=", 2)) and len(parts) == 3 and _DOMAIN.match(parts[1]):
            return f"SRS1={self._hash(self.secrets[0], parts[1], parts[2])}={parts[1]}={parts[2]}"
        day = _day_text(now)
        return f"SRS0={self._hash(self.secrets[0], day, domain, local)}={day}={domain}={local}"

    def reverse(self, address: str, now: int) -> str:
        """Return the address to which a bounce goes. Raises NotSrs, BadHash or Expired."""
        if not self.is_srs(address) or len(address) > 2 * _LONGEST_LOCAL:
            raise NotSrs("not an SRS address of this domain")
        local = _unquoted(address.rpartition("@")[0])
        if local[3] == "1":
            return self._reverse_second(local[5:])
        return self._reverse_first(local[5:], now)

    def _reverse_first(self, text: str, now: int) -> str:
        parts = text.split("=", 3)
        if len(parts) != 4 or not parts[3] or not _DOMAIN.match(parts[2]):
            raise NotSrs("malformed SRS0 address")
        given, day, domain, local = parts
        self._check(given, day, domain, local)
        age = (now // _DAY - _day_number(day)) % _DAYS
        if age > self.max_age_days and age != _DAYS - 1:  # a day ahead, since another host's clock may differ
            raise Expired("SRS address has expired")
        return f"{quoted_local(local)}@{domain}"

    def _reverse_second(self, text: str) -> str:
        parts = text.split("=", 2)
        if len(parts) != 3 or not parts[2] or not _DOMAIN.match(parts[1]):
            raise NotSrs("malformed SRS1 address")
        given, domain, rest = parts
        self._check(given, domain, rest)
        return f"{quoted_local(f'SRS0{rest}')}@{domain}"

    def _check(self, given: str, *parts: str) -> None:
        known = given.lower().encode("utf-8")
        matches = [compare_digest(known, self._hash(secret, *parts).encode()) for secret in self.secrets]
        if not any(matches):
            raise BadHash("SRS address was not made here")

    @staticmethod
    def _hash(secret: bytes, *parts: str) -> str:
        text = "=".join(parts).lower().encode("utf-8")
        return b32encode(hmac_digest(secret, text, sha256)).decode("ascii").lower()[:_HASH_LENGTH]


def _unquoted(local: str) -> str:
    """Remove the quotes of a local part. Raises NotSrs."""
    try:
        return unquoted_local(local)
    except AddressError:
        raise NotSrs("malformed local part") from None


def _day_text(now: int) -> str:
    day = now // _DAY % _DAYS
    return _ALPHABET[day >> 5] + _ALPHABET[day & 31]


def _day_number(text: str) -> int:
    digits = [_ALPHABET.find(character) for character in text.lower()]
    if len(digits) != 2 or min(digits) < 0:
        raise NotSrs("malformed SRS day")
    return digits[0] << 5 | digits[1]
