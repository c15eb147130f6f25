"""Password verifiers: argon2id in passlib's format. RFC 9106."""

import secrets
import unicodedata
from base64 import b64encode

from passlib.hash import argon2

MAX_PASSWORD = 1024  # characters; checked before anything else
_SALT, _DIGEST = 16, 32  # octets


class Hasher:
    """Creates and checks verifiers. Both take 0.1 s or more and much memory, so call them in a thread."""

    def __init__(self, memory_kib: int = 65_536, time_cost: int = 3, parallelism: int = 4) -> None:
        self._scheme = argon2.using(
            type="ID", memory_cost=memory_kib, time_cost=time_cost, parallelism=parallelism,
            salt_size=_SALT, digest_size=_DIGEST,
        )  # fmt: skip
        self._parameters = f"m={memory_kib},t={time_cost},p={parallelism}"
        self.dummy = self._nobodys()

    def make(self, password: str) -> str:
        """Return a verifier for the password."""
        verifier: str = self._scheme.hash(prepared(password))
        return verifier

    def matches(self, password: str, verifier: str) -> bool:
        """Return whether the password matches. False also for a malformed verifier."""
        try:
            return bool(self._scheme.verify(prepared(password), verifier))
        except (ValueError, TypeError):
            return False

    def outdated(self, verifier: str) -> bool:
        """Return whether the verifier was made with other parameters than the present ones."""
        return bool(self._scheme.needs_update(verifier))

    def _nobodys(self) -> str:
        """Return a verifier for unknown names: no password matches it, and checking it costs as much as a real one."""
        salt, digest = (
            b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (_SALT, _DIGEST)
        )
        return f"$argon2id$v=19${self._parameters}${salt}${digest}"


def prepared(password: str) -> str:
    """Normalise the password before hashing, so that equal characters are equal octets. RFC 4013 section 2."""
    if password.isascii():
        return password
    spaced = "".join(
        " " if unicodedata.category(letter) == "Zs" else letter for letter in password[:MAX_PASSWORD]
    )
    return unicodedata.normalize("NFKC", spaced)
