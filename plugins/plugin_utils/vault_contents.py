"""What an inventory's vault holds: made when it is missing, kept when it is there.

Room rule: pure; new secrets come from the `Draw` that the caller hands in.

    format: 2
    first_password_key: by which hosts tell a new first password from an old one
    tls_ca: {names, key, certificate}
    companies:
      KEY:
        srs_secret: signs rewritten sender addresses
        former_srs_secret: {left, secret}
        first_passwords: {PERSON: password}
        former_first_passwords: {PERSON: {left, password}}
        dkim_keys: {DOMAIN: {SELECTOR: {algorithm, state, since, private_key}}}
        former_dkim_keys: {DOMAIN: {left, keys}}
        left: only where the company itself is no longer in the inventory

Days are YYYY-MM-DD. Secrets under `former` came out of use on the day `left`, and are removed after `GRACE_DAYS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from plugin_utils.company_key import company_key
from plugin_utils.drawing import Draw

FORMAT = 2
RSA_BITS = 2048
GRACE_DAYS = 30
SELECTORS = {"rsa1": "rsa", "ed1": "ed25519"}

Entry = dict[str, Any]
Companies = list[Mapping[str, Any]]


def completed(existing: Mapping[str, Any], companies: Companies, today: str, draw: Draw) -> dict[str, Any]:
    """Return the vault with all that the companies need: the same where nothing was missing.

    First passwords of people who were deleted are removed. Those of people who were taken out of the inventory, and
    keys of domains that were taken out, are set aside: whoever was taken out by mistake gets them back.
    """
    before = by_present_keys(existing.get("companies", {}), companies)
    present = {company_key(company): company for company in companies}
    domains = {str(domain) for company in companies for domain in company["domains"]}
    entries: dict[str, Entry] = {}
    for key in dict.fromkeys([*present, *before]):
        entry, company = before.get(key, {}), present.get(key)
        if company is None and over(entry.get("left", today), today):
            continue
        made: Entry = {name: value for name, value in entry.items() if name not in ("left", *SECTIONS)}
        made["srs_secret"] = entry.get("srs_secret") or draw.secret()
        if (former := entry.get("former_srs_secret")) and not over(former["left"], today):
            made["former_srs_secret"] = former
        made |= first_passwords(entry, (company or {}).get("people") or {}, today, draw)
        made["dkim_keys"] = dkim_keys(company, before, key, today, draw) if company else {}
        made |= former_keys(entry, domains, today)
        entries[key] = made if company else {**made, "left": entry.get("left", today)}
    others = {name: value for name, value in existing.items() if name not in ("format", "companies")}
    others.setdefault("first_password_key", draw.secret())
    return {"format": FORMAT, **others, "companies": entries}


SECTIONS = (
    "srs_secret",
    "former_srs_secret",
    "first_passwords",
    "former_first_passwords",
    "dkim_keys",
    "former_dkim_keys",
)


def by_present_keys(before: Mapping[str, Entry], companies: Companies) -> dict[str, Entry]:
    """Return the vault's companies, and those that were known by their name, by the id that they have been given."""
    keys = {company_key(company) for company in companies}
    given = {str(company["name"]): company_key(company) for company in companies}
    return {
        given[key] if key not in keys and key in given and given[key] not in before else key: entry
        for key, entry in before.items()
    }


def over(left: object, today: str) -> bool:
    return (date.fromisoformat(today) - date.fromisoformat(str(left))).days > GRACE_DAYS


def first_passwords(entry: Entry, people: Mapping[str, Any], today: str, draw: Draw) -> Entry:
    """Return the passwords of all who have or may get an account, and those of people who were taken out.

    A password that was set aside longer than `GRACE_DAYS` ago is not given back: a new one is drawn.
    """
    former = entry.get("former_first_passwords", {})
    kept = {person: found for person, found in former.items() if not over(found["left"], today)}
    known = entry.get("first_passwords", {})
    kept |= {person: {"left": today, "password": password} for person, password in known.items()}
    made: Entry = {
        "first_passwords": {
            person: kept[person]["password"] if person in kept else draw.password()
            for person, options in people.items()
            if (options or {}).get("state") != "deleted"
        }
    }
    if away := {person: found for person, found in kept.items() if person not in people}:
        made["former_first_passwords"] = away
    return made


def dkim_keys(
    company: Mapping[str, Any], before: Mapping[str, Entry], key: str, today: str, draw: Draw
) -> dict[str, Any]:
    """Return the keys of the company's domains. A domain that comes from another company brings its keys."""
    found: dict[str, Any] = {}
    for domain, options in company["domains"].items():
        known = {}
        for entry in [before.get(key, {}), *before.values()]:
            former = entry.get("former_dkim_keys", {}).get(domain, {}).get("keys")
            known = known or entry.get("dkim_keys", {}).get(domain) or former or {}
        bits = options.get("dkim_rsa_bits") or company.get("dkim_rsa_bits") or RSA_BITS
        found[domain] = known or {
            selector: {
                "algorithm": algorithm,
                "state": "active",
                "since": today,
                "private_key": draw.dkim_key(algorithm, bits),
            }
            for selector, algorithm in SELECTORS.items()
        }
    return found


def former_keys(entry: Entry, domains: set[str], today: str) -> Entry:
    left = {
        domain: {"left": today, "keys": keys} for domain, keys in entry.get("dkim_keys", {}).items() if keys
    }
    kept = {
        domain: found
        for domain, found in {**left, **entry.get("former_dkim_keys", {})}.items()
        if domain not in domains and not over(found["left"], today)
    }
    return {"former_dkim_keys": kept} if kept else {}
