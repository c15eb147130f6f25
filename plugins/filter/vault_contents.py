"""What stands in an inventory's vault: made when it is missing, kept when it is there.

The one filter that is not pure, since it draws random bytes: first passwords, DKIM keys, the SRS secret.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import date
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

RSA_BITS = 2048
GRACE_DAYS = 30
# records.py knows these words.
UNDRAWN = {"rsa1": "not drawn yet: rsa", "ed1": "not drawn yet: ed25519"}
PASSWORD_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that can be taken for another  # noqa: S105


def completed(
    existing: Mapping[str, Any], companies: list[Mapping[str, Any]], today: str, draw: bool = True
) -> dict[str, Any]:
    """The vault's contents with all that the companies need: unchanged where nothing was missing.

    First passwords of people who were deleted go. Those of people who were taken out, and keys of a domain that was
    taken out, are set aside with the date, and go after `GRACE_DAYS`: who was taken out by mistake gets them back.
    `today`: YYYY-MM-DD. Without `draw` new keys are words that say so (check mode shows what a run would do).
    """
    passwords, former_passwords = all_first_passwords(existing, companies, today)
    known, former = existing.get("dkim_keys", {}), existing.get("former_dkim_keys", {})
    keys: dict[str, dict[str, str]] = {}
    for company in companies:
        for domain, options in company["domains"].items():
            bits = options.get("dkim_rsa_bits") or company.get("dkim_rsa_bits") or RSA_BITS
            kept = known.get(domain) or former.get(domain, {}).get("keys")
            keys[domain] = dict(kept) if kept else dkim_keys(bits) if draw else dict(UNDRAWN)
    left = {domain: {"left": today, "keys": dict(found)} for domain, found in known.items() if found}
    former = {domain: entry for domain, entry in {**left, **former}.items() if domain not in keys}
    former = {domain: entry for domain, entry in former.items() if not over(entry["left"], today)}
    others = {
        name: value
        for name, value in existing.items()
        if name not in ("first_passwords", "former_first_passwords", "dkim_keys", "former_dkim_keys")
    }
    others.setdefault("srs_secret", secrets.token_hex(32))
    others.setdefault("first_password_key", secrets.token_hex(32))
    if former_passwords:
        others["former_first_passwords"] = former_passwords
    if former:
        others["former_dkim_keys"] = former
    return {**others, "first_passwords": passwords, "dkim_keys": keys}


def over(left: str, today: str) -> bool:
    return (date.fromisoformat(today) - date.fromisoformat(left)).days > GRACE_DAYS


def differences(existing: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What comes into the vault and what leaves it: a line each, without any secret."""
    before, after = names(existing), names(new)
    return [
        *(f"- {name}" for name in sorted(before - after)),
        *(f"+ {name}" for name in sorted(after - before)),
    ]


def names(contents: Mapping[str, Any]) -> set[str]:
    """Each secret by what it is."""
    found = {"secret of rewritten sender addresses (SRS)"} if "srs_secret" in contents else set()
    if "first_password_key" in contents:
        found.add("key by which a new first password is told from an old one")
    for company, people in contents.get("first_passwords", {}).items():
        found |= {f"first password of {person} ({company})" for person in people}
    for company, people in contents.get("former_first_passwords", {}).items():
        found |= {
            f"first password of {person} ({company}), who left on {entry['left']}: kept for {GRACE_DAYS} days"
            for person, entry in people.items()
        }
    for domain, selectors in contents.get("dkim_keys", {}).items():
        found |= {f"DKIM key {selector} of {domain}" for selector in selectors}
    for domain, entry in contents.get("former_dkim_keys", {}).items():
        found.add(f"DKIM keys of {domain}, which left on {entry['left']}: kept for {GRACE_DAYS} days")
    ca = contents.get("tls_ca", {})
    return found | ({f"own CA for {', '.join(ca['names'])}"} if ca.get("names") else set())


def all_first_passwords(
    existing: Mapping[str, Any], companies: list[Mapping[str, Any]], today: str
) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, dict[str, str]]]]:
    """Return the passwords of all who have or may get an account, and those of people who were taken out, by company.

    A password that was set aside longer than `GRACE_DAYS` ago is not given back: a new one is drawn.
    """
    known, former = existing.get("first_passwords", {}), existing.get("former_first_passwords", {})
    people = {company["name"]: company["people"] or {} for company in companies}
    present: dict[str, dict[str, str]] = {}
    left: dict[str, dict[str, dict[str, str]]] = {}
    for company in dict.fromkeys([*people, *known, *former]):
        here = people.get(company, {})
        kept = {person: entry for person, entry in former.get(company, {}).items() if not over(entry["left"], today)}
        kept |= {person: {"left": today, "password": word} for person, word in known.get(company, {}).items()}
        if company in people:
            given = {person: entry["password"] for person, entry in kept.items()}
            present[company] = first_passwords(here, given)
        if away := {person: entry for person, entry in kept.items() if person not in here}:
            left[company] = away
    return present, left


def first_passwords(people: Mapping[str, Any], existing: Mapping[str, str]) -> dict[str, str]:
    """Person -> password, for all who have or may get an account."""
    return {
        person: existing.get(person) or new_password()
        for person, options in people.items()
        if (options or {}).get("state") != "deleted"
    }


def password_ids(passwords: Mapping[str, str], key: str) -> dict[str, str]:
    """Return for each person a word that changes with the first password and tells nothing to who lacks the key."""
    return {
        person: hmac.digest(key.encode(), f"{person} {password}".encode(), hashlib.sha256).hex()[:16]
        for person, password in passwords.items()
    }


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
        return {
            "postroom_completed_secrets": completed,
            "postroom_password_ids": password_ids,
            "postroom_secret_differences": differences,
        }
