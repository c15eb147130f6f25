"""New secrets: the one place of the kit that draws random bytes.

`Drawn` makes them. `Undrawn` stands in for it in check mode: it draws nothing, and gives words that say so.
"""

from __future__ import annotations

import secrets
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

PASSWORD_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that can be taken for another  # noqa: S105


class Draw(Protocol):
    """Where new secrets come from."""

    def secret(self) -> str:
        """Return 32 octets in hexadecimal digits."""

    def password(self) -> str:
        """Return a first password."""

    def dkim_key(self, algorithm: str, bits: int) -> str:
        """Return a private key in PEM. `algorithm`: rsa or ed25519 (RFC 8301, RFC 8463). `bits`: size of an RSA key."""


class Drawn:
    """Draws from the operating system's random numbers."""

    def secret(self) -> str:
        return secrets.token_hex(32)

    def password(self) -> str:
        """Return four groups of four letters, easy to read aloud: 79 bits."""
        return "-".join("".join(secrets.choice(PASSWORD_LETTERS) for _ in range(4)) for _ in range(4))

    def dkim_key(self, algorithm: str, bits: int) -> str:
        key = (
            rsa.generate_private_key(public_exponent=65537, key_size=bits)
            if algorithm == "rsa"
            else ed25519.Ed25519PrivateKey.generate()
        )
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Undrawn:
    """Draws nothing."""

    def secret(self) -> str:
        return "(the run will draw this secret)"

    def password(self) -> str:
        return "(the run will draw this password)"

    def dkim_key(self, algorithm: str, bits: int) -> str:
        """Return no key: records.py says in its place that the run will make it."""
        del algorithm, bits
        return ""
