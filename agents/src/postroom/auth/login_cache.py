"""Successful logins of the last minutes, so that the many connections of a mail client cost one hash.

The cache holds digests of account, verifier and password under a key that only this process knows: a changed password
has another digest, and no password can be read from the cache.
"""

import hmac
import secrets
from collections import OrderedDict

MAX_REMEMBERED = 20_000


class LoginCache:
    """Digests that expire. With `seconds` 0 it keeps nothing."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._key = secrets.token_bytes(32)
        self._ends: OrderedDict[bytes, float] = OrderedDict()

    def digest(self, account: str, verifier: str, password: str) -> bytes:
        """Return the digest of this login. Each part is preceded by its length, so that parts cannot be confused."""
        parts = [part.encode("utf-8", "surrogatepass") for part in (account, verifier, password)]
        framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._key, framed, "sha256")

    def holds(self, digest: bytes, steady: float) -> bool:
        """Return whether this login has succeeded recently."""
        end = self._ends.get(digest)
        if end is None:
            return False
        if steady < end:
            return True
        del self._ends[digest]
        return False

    def keep(self, digest: bytes, steady: float) -> None:
        """Remember a success."""
        if self._seconds <= 0:
            return
        self._ends[digest] = steady + self._seconds
        self._ends.move_to_end(digest)
        while len(self._ends) > MAX_REMEMBERED:
            self._ends.popitem(last=False)
