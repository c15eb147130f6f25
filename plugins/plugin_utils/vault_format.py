"""A vault of an earlier format becomes one of today's. A vault that people have edited is judged.

Room rule: pure.

Format 1 had no `format`: one `srs_secret` for all companies, `first_passwords` and `former_first_passwords` by the
company's name, `dkim_keys` (domain -> selector -> PEM) and `former_dkim_keys` by domain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from plugin_utils.company_key import company_key
from plugin_utils.vault_contents import FORMAT, Companies

# Published ahead of its first signature, signs, or is published for mail on its way.
STATES = ("published", "active", "retired")
OF_COMPANIES = (
    "srs_secret",
    "first_passwords",
    "former_first_passwords",
    "dkim_keys",
    "former_dkim_keys",
)


def upgraded(existing: Mapping[str, Any], companies: Companies, today: str) -> dict[str, Any]:
    """Return the vault in today's format: no secret in use is lost, and none is new.

    Each company will draw an SRS secret of its own; the one that all had stays valid for addresses that are under way.
    """
    if not existing or "format" in existing:
        return dict(existing)
    keys = {str(company["name"]): company_key(company) for company in companies}
    found: dict[str, dict[str, Any]] = {key: {} for key in keys.values()}
    for section in ("first_passwords", "former_first_passwords"):
        for name, people in existing.get(section, {}).items():
            found.setdefault(keys.get(name, str(name)), {})[section] = people
    owners = {str(domain): company_key(company) for company in companies for domain in company["domains"]}
    first = next(iter(found), "")
    for domain, pems in existing.get("dkim_keys", {}).items():
        entry = found[owners.get(domain, first)]  # whose a domain was that no company has today is not known
        entry.setdefault("dkim_keys", {})[domain] = described(pems, today)
    for domain, former in existing.get("former_dkim_keys", {}).items():
        entry = found[owners.get(domain, first)]
        described_keys = described(former["keys"], today)
        entry.setdefault("former_dkim_keys", {})[domain] = {"left": former["left"], "keys": described_keys}
    if secret := existing.get("srs_secret"):
        for key in keys.values():
            found[key]["former_srs_secret"] = {"left": today, "secret": secret}
    others = {name: value for name, value in existing.items() if name not in OF_COMPANIES}
    return {"format": FORMAT, **others, "companies": found}


def described(pems: Mapping[str, str], today: str) -> dict[str, Any]:
    return {
        selector: {"algorithm": algorithm(pem), "state": "active", "since": today, "private_key": pem}
        for selector, pem in pems.items()
    }


def algorithm(pem: str) -> str:
    return "rsa" if isinstance(load_pem_private_key(pem.encode(), None), RSAPrivateKey) else "ed25519"


def faults(vault: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a person who edited the vault must correct, a sentence each, without any secret."""
    if vault.get("format", FORMAT) != FORMAT:
        yield f"the vault has format {vault['format']}, and this release reads formats 1 and {FORMAT}"
        return
    for entry in vault.get("companies", {}).values():
        for domain, keys in entry.get("dkim_keys", {}).items():
            states = {selector: key.get("state") for selector, key in keys.items()}
            for selector, state in states.items():
                if state not in STATES:
                    known = ", ".join(STATES)
                    yield f"DKIM key {selector} of {domain} has the state {state!r}, which is none of {known}"
            if keys and "active" not in states.values():
                yield f"no DKIM key of {domain} is active, so its mail would leave without a signature"
