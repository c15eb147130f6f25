"""Read companies and hosts out of the inventory, as plain values that every other filter takes.

Room rule: reads variables by name and decides nothing; problems.py judges, records.py computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COMPANY_KEYS = (
    "id",
    "name",
    "administrator",
    "domains",
    "people",
    "aliases",
    "client_services",
    "dkim_rsa_bits",
)

HostVars = Mapping[str, Mapping[str, Any]]


def companies(hostvars: HostVars, mail_hosts: list[str]) -> list[dict[str, Any]]:
    """One entry per company, in order of its id: its `company_*` variables and the mail hosts that have them.

    The variables belong to the company's group, so every host of it has the same values. `differing` are those that
    another host of the same id has with another value: variable -> the two hosts. `no_text` are the keys of domains,
    people and aliases that YAML reads as something else; yaml_words.py explains them.
    """
    found: dict[str, dict[str, Any]] = {}
    for host in sorted(mail_hosts):
        given = {key: hostvars[host].get(f"company_{key}") for key in COMPANY_KEYS}
        if all(value is None for value in given.values()):
            continue
        company = {key: plain(value) for key, value in given.items()}
        name = str(given["id"] or "") if given["name"] in (None, "") else str(given["name"])
        key = str(given["id"] or f" {name}")  # companies without an id are told apart by their names
        if key in found:
            found[key]["hosts"].append(host)
            note_differences(found[key], company, host)
            continue
        odd = sorted({str(key) for value in given.values() for key in keys(value) if not isinstance(key, str)})
        found[key] = {**company, "id": str(given["id"] or ""), "name": name, "hosts": [host], "no_text": odd}
        found[key]["odd_id"] = given["id"] is not None and not isinstance(given["id"], str)
        found[key]["untitled"] = given["name"] in (None, "")
        found[key]["differing"] = {}
    return [found[key] for key in sorted(found)]


def note_differences(company: dict[str, Any], other: Mapping[str, Any], host: str) -> None:
    for key in COMPANY_KEYS:
        if key not in ("id", "name") and other[key] != company[key]:
            company["differing"].setdefault(key, [company["hosts"][0], host])
    if str(other["name"]) != company["name"] and not company["untitled"]:
        company["differing"].setdefault("name", [company["hosts"][0], host])


def hosts(hostvars: HostVars, host_names: list[str], mail_hosts: list[str]) -> dict[str, dict[str, Any]]:
    """Name of each host: its public addresses (empty when unset), its company's id, whether agents run there."""
    return {
        host: {
            "ipv4": str(hostvars[host].get("host_ipv4") or ""),
            "ipv6": str(hostvars[host].get("host_ipv6") or ""),
            "private_ipv4": str(hostvars[host].get("host_private_ipv4") or ""),
            "company": str(hostvars[host].get("company_id") or ""),
            "mail": host in mail_hosts,
        }
        for host in sorted(host_names)
    }


def seen(companies: list[Mapping[str, Any]], hosts: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what an inventory in order has, in numbers, so that a missing part is noticed."""
    mail = sum(bool(host["mail"]) for host in hosts.values())
    amounts = [
        (len(companies), "company", "companies"),
        (sum(len(company["domains"]) for company in companies), "domain", "domains"),
        (sum(len(company["people"] or ()) for company in companies), "person", "people"),
        (mail, "mail host", "mail hosts"),
    ]
    if others := len(hosts) - mail:
        amounts.append((others, "other host", "other hosts"))
    return f"{', '.join(f'{count} {one if count == 1 else many}' for count, one, many in amounts)}: nothing is wrong."


def variables(hostvars: Mapping[str, Mapping[str, Any]], host_names: list[str]) -> list[str]:
    """Names of all variables that the inventory gives to any host."""
    return sorted({str(name) for host in host_names for name in hostvars[host]})


def keys(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Mapping) else []


def plain(value: Any) -> Any:
    """A copy made of ordinary dictionaries, lists and scalars, without the types that Ansible wraps around them."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


class FilterModule:
    """Registers the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {
            "postroom_companies": companies,
            "postroom_hosts": hosts,
            "postroom_seen": seen,
            "postroom_variables": variables,
        }
