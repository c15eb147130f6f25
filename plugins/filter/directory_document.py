"""The directory as one JSON document, out of what the inventory says about a company.

Room rule: pure. What may be wrong with an inventory is judged before (playbooks/preflight.yml) and again by
`postroom directory apply`; this only rearranges. The form is described in docs/reference/directory.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

VERSION = 1
UNITS = {
    "": 1,
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
QUOTA = re.compile(r"([1-9]\d*)\s*([KMGT]i?)?B?\Z")
ROLES = ("postmaster", "abuse", "hostmaster")  # RFC 2142: mailboxes that a domain with mail has
HOST_ROLES = ("root", "postmaster", "abuse", "hostmaster", "webmaster", "mailer-daemon")

Options = Mapping[str, Any]


def document(
    people: Mapping[str, Options],
    domains: Mapping[str, Options],
    aliases: Mapping[str, list[str]],
    administrator: str,
    selectors: Mapping[str, list[str]] | None = None,
) -> dict[str, Any]:
    """The document without passwords.

    A host's own name is a domain too: mail to root and postmaster of each home host goes to the administrator.
    Raises ValueError: a quota is no size.
    """
    hosts = sorted({str(options["home"]) for options in domains.values()} - set(domains))
    return {
        "version": VERSION,
        "domains": [domain(name, domains[name], (selectors or {}).get(name, [])) for name in sorted(domains)]
        + [{"name": name, "home": name} for name in hosts],
        "accounts": [account(person, people[person]) for person in sorted(people)],
        "aliases": [
            {"address": address, "members": members}
            for address, members in sorted(
                all_aliases(people, domains, aliases, administrator, hosts).items()
            )
        ],
    }


def domain(name: str, options: Options, selectors: list[str]) -> dict[str, Any]:
    catch_all = options.get("catch_all") or []
    found: dict[str, Any] = {"name": name, "home": str(options["home"])}
    if options.get("alias_of"):
        found["alias_of"] = str(options["alias_of"])
    if catch_all:
        found["catch_all"] = [catch_all] if isinstance(catch_all, str) else list(catch_all)
    if "separator" in options:
        found["separator"] = str(options["separator"] or "")
    if selectors:
        found["selectors"] = sorted(selectors)
    return found


def account(person: str, options: Options) -> dict[str, Any]:
    found: dict[str, Any] = {"id": person, "address": str(options["address"])}
    if options.get("state") == "deleted":
        return {**found, "state": "deleted"}
    found["name"] = str(options.get("name") or "")
    found["addresses"] = [str(address) for address in options.get("aliases") or []]
    if options.get("state") == "disabled" or not options.get("enabled", True):
        found["state"] = "disabled"
    if options.get("quota"):
        found["quota_bytes"] = quota_bytes(options["quota"])
    limits = {
        key: int(options[key]) for key in ("messages_per_day", "recipients_per_day") if options.get(key)
    }
    if limits:
        found["limits"] = limits
    if options.get("send_as"):
        found["rights"] = {"send_as": [str(address) for address in options["send_as"]]}
    return found


def quota_bytes(value: Any) -> int:
    """Octets of a size such as `2 GB`, `512 MiB` or a bare number. Raises ValueError."""
    match = QUOTA.match(str(value).strip())
    if match is None:
        raise ValueError(f"quota {value!r} is not a size such as 500 MB or 2 GB")
    return int(match[1]) * UNITS[match[2] or ""]


def all_aliases(
    people: Mapping[str, Options],
    domains: Mapping[str, Options],
    aliases: Mapping[str, list[str]],
    administrator: str,
    hosts: list[str],
) -> dict[str, list[str]]:
    """The inventory's aliases, and the administrator's where nobody has the address."""
    found = {address: [str(member) for member in members] for address, members in aliases.items()}
    taken = set(found) | set(addresses(people))
    real = [name for name in domains if not domains[name].get("alias_of")]
    wanted = [f"{role}@{name}" for name in real for role in ROLES]
    wanted += [f"{role}@{name}" for name in hosts for role in HOST_ROLES]
    target = str(people[administrator]["address"])
    return {**{address: [target] for address in wanted if address not in taken}, **found}


def addresses(people: Mapping[str, Options]) -> Iterator[str]:
    for options in people.values():
        if options.get("state") != "deleted":
            yield str(options["address"])
            yield from map(str, options.get("aliases") or [])


def selectors(keys: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Names of the DKIM keys per domain, without the keys."""
    return {str(name): sorted(map(str, keys[name])) for name in keys}


class FilterModule:
    """Registers the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"directory_document": document, "directory_selectors": selectors}
