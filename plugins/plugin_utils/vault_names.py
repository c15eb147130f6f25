"""What the vault holds, by name and without any secret, so that a run can say what comes and what goes.

Room rule: pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plugin_utils.vault_contents import GRACE_DAYS


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return a line for each secret that goes and each that comes. Both vaults have today's format."""
    old, new = set(names(before)), set(names(after))
    return [*(f"- {name}" for name in sorted(old - new)), *(f"+ {name}" for name in sorted(new - old))]


def names(vault: Mapping[str, Any]) -> Iterator[str]:
    if "first_password_key" in vault:
        yield "key by which a new first password is told from an old one"
    for company, entry in vault.get("companies", {}).items():
        yield from of_company(company, entry)
    if vault.get("tls_ca", {}).get("names"):
        yield f"own CA for {', '.join(vault['tls_ca']['names'])}"


def of_company(company: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if "srs_secret" in entry:
        yield f"secret of rewritten sender addresses (SRS) of {company}"
    if former := entry.get("former_srs_secret"):
        yield f"SRS secret that {company} used until {former['left']}: kept for {GRACE_DAYS} days"
    for person in entry.get("first_passwords", {}):
        yield f"first password of {person} ({company})"
    for person, former in entry.get("former_first_passwords", {}).items():
        yield f"first password of {person} ({company}), who left on {former['left']}: kept for {GRACE_DAYS} days"
    for domain, keys in entry.get("dkim_keys", {}).items():
        yield from (f"DKIM key {selector} of {domain}" for selector in keys)
    for domain, former in entry.get("former_dkim_keys", {}).items():
        yield f"DKIM keys of {domain}, which left on {former['left']}: kept for {GRACE_DAYS} days"
