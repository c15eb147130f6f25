"""Successful logins of the last minutes, so that a mail client's many connections cost one hash.

What is kept is a keyed digest over account, verifier and password under a key that only this process knows: a
changed password is another digest, and the memory tells nobody a password.
"""

import hmac
import secrets
from collections import OrderedDict

MAX_REMEMBERED = 20_000


class Remembered:
    """Digests with an end. `seconds` 0 remembers nothing."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._key = secrets.token_bytes(32)
        self._ends: OrderedDict[bytes, float] = OrderedDict()

    def digest(self, account: str, verifier: str, password: str) -> bytes:
        """What stands for this login. The parts are told apart by their lengths."""
        parts = [part.encode("utf-8", "surrogatepass") for part in (account, verifier, password)]
        framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._key, framed, "sha256")

    def holds(self, digest: bytes, steady: float) -> bool:
        """Whether this login has succeeded of late."""
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
