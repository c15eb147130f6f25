"""One company's part of the vault, as records and roles take it.

Room rule: pure. Which secrets the vault holds, and that none is missing, is plugins/action/complete_vault.py's.
"""

from __future__ import annotations

import hashlib
import hmac
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))  # as in plugins/action/complete_vault.py
from plugin_utils.company_key import company_key

Keys = Mapping[str, Mapping[str, Mapping[str, str]]]


def company_secrets(vault: Mapping[str, Any], company: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = vault["companies"][company_key(company)]
    return found


def published_keys(vault: Mapping[str, Any]) -> dict[str, Any]:
    """Return the DKIM keys of all domains of the inventory, in every state: domain -> selector -> key."""
    return {
        domain: keys for entry in vault["companies"].values() for domain, keys in entry["dkim_keys"].items()
    }


def signing_keys(dkim_keys: Keys) -> dict[str, dict[str, str]]:
    """Return domain -> selector -> private key (PEM) of the keys that are active."""
    return {
        domain: {selector: key["private_key"] for selector, key in keys.items() if key["state"] == "active"}
        for domain, keys in dkim_keys.items()
    }


def srs_secrets(company: Mapping[str, Any]) -> list[str]:
    """Return the secret that signs, and the one before it, which is still valid for addresses that are under way."""
    former = company.get("former_srs_secret")
    return [company["srs_secret"], *([former["secret"]] if former else [])]


def password_ids(passwords: Mapping[str, str], key: str) -> dict[str, str]:
    """Return for each person a word that changes with the first password and says nothing to those without the key."""
    return {
        person: hmac.digest(key.encode(), f"{person} {password}".encode(), hashlib.sha256).hex()[:16]
        for person, password in passwords.items()
    }


class FilterModule:
    """Registers the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {
            "postroom_company_secrets": company_secrets,
            "postroom_password_ids": password_ids,
            "postroom_published_keys": published_keys,
            "postroom_signing_keys": signing_keys,
            "postroom_srs_secrets": srs_secrets,
        }
