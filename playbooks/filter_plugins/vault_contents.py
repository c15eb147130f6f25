"""What stands in an inventory's vault: made when it is missing, kept when it is there.

The one filter that is not pure, since it draws random bytes: first passwords, DKIM keys, the SRS secret.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

RSA_BITS = 2048
PASSWORD_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that can be taken for another  # noqa: S105


def completed(existing: Mapping[str, Any], companies: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The vault's contents with all that the companies need: unchanged where nothing was missing.

    A removed person's first password goes; keys of a removed domain stay, since mail signed by them may be under way.
    """
    passwords = {
        company["name"]: first_passwords(
            company["people"] or {}, existing.get("first_passwords", {}).get(company["name"], {})
        )
        for company in companies
    }
    keys = {domain: dict(selectors) for domain, selectors in existing.get("dkim_keys", {}).items()}
    for company in companies:
        for domain, options in company["domains"].items():
            bits = options.get("dkim_rsa_bits") or company.get("dkim_rsa_bits") or RSA_BITS
            if not keys.get(domain):
                keys[domain] = dkim_keys(bits)
    kept = {name: value for name, value in existing.items() if name not in ("first_passwords", "dkim_keys")}
    kept.setdefault("srs_secret", secrets.token_hex(32))
    return {**kept, "first_passwords": passwords, "dkim_keys": keys}


def first_passwords(people: Mapping[str, Any], existing: Mapping[str, str]) -> dict[str, str]:
    return {person: existing.get(person) or new_password() for person in people}


def new_password() -> str:
    """Four groups of four letters, easy to read aloud: 79 bits."""
    return "-".join("".join(secrets.choice(PASSWORD_LETTERS) for _ in range(4)) for _ in range(4))


def dkim_keys(bits: int) -> dict[str, str]:
    """Selector -> private key (PEM), one key of each algorithm. RFC 8301, RFC 8463."""
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return {"rsa1": pem(rsa_key), "ed1": pem(ed25519.Ed25519PrivateKey.generate())}


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class FilterModule:
    """Registers the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"postroom_completed_secrets": completed}
