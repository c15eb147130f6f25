"""Password verifiers: argon2id in passlib's format. RFC 9106."""

import secrets
import unicodedata
from base64 import b64encode

from passlib.hash import argon2

MAX_PASSWORD = 1024  # characters, before anything else is done with them
_SALT, _DIGEST = 16, 32  # octets


class Hasher:
    """Makes and checks verifiers. Both take 0.1 s and more and much memory: call it in a thread."""

    def __init__(self, memory_kib: int = 65_536, time_cost: int = 3, parallelism: int = 4) -> None:
        self._scheme = argon2.using(
            type="ID", memory_cost=memory_kib, time_cost=time_cost, parallelism=parallelism,
            salt_size=_SALT, digest_size=_DIGEST,
        )  # fmt: skip
        self._parameters = f"m={memory_kib},t={time_cost},p={parallelism}"
        self.dummy = self._nobodys()

    def make(self, password: str) -> str:
        """A verifier for the password."""
        verifier: str = self._scheme.hash(prepared(password))
        return verifier

    def matches(self, password: str, verifier: str) -> bool:
        """Whether the password is the one; False as well when the verifier is no verifier."""
        try:
            return bool(self._scheme.verify(prepared(password), verifier))
        except (ValueError, TypeError):
            return False

    def outdated(self, verifier: str) -> bool:
        """Whether it was made with other parameters than are wanted now."""
        return bool(self._scheme.needs_update(verifier))

    def _nobodys(self) -> str:
        """A verifier that no password fits, as costly to check as a real one: for names that nobody has."""
        salt, digest = (
            b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (_SALT, _DIGEST)
        )
        return f"$argon2id$v=19${self._parameters}${salt}${digest}"


def prepared(password: str) -> str:
    """The password as it is hashed: the same characters, however they were typed. RFC 4013 section 2."""
    if password.isascii():
        return password
    spaced = "".join(
        " " if unicodedata.category(letter) == "Zs" else letter for letter in password[:MAX_PASSWORD]
    )
    return unicodedata.normalize("NFKC", spaced)
