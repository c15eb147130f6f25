"""Read companies and hosts out of the inventory, as plain values that every other filter takes.

Room rule: reads variables by name and decides nothing; problems.py judges, records.py computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COMPANY_KEYS = (
    "name",
    "administrator",
    "domains",
    "people",
    "aliases",
    "client_services",
    "dkim_rsa_bits",
)


def companies(hostvars: Mapping[str, Mapping[str, Any]], host_names: list[str]) -> list[dict[str, Any]]:
    """One entry per company, in order of its name: its `company_*` variables and the hosts that carry them.

    The variables belong to the company's group, so every host of it carries the same values. `no_text` are the keys
    of domains, people and aliases that YAML reads as something else; yaml_words.py explains them.
    """
    found: dict[str, dict[str, Any]] = {}
    for host in sorted(host_names):
        variables = hostvars[host]
        if "company_domains" not in variables and "company_name" not in variables:
            continue
        name = str(variables.get("company_name", ""))
        if name in found:
            found[name]["hosts"].append(host)
            continue
        company = {key: plain(variables.get(f"company_{key}")) for key in COMPANY_KEYS}
        given = [variables.get(f"company_{key}") for key in COMPANY_KEYS]
        odd = sorted({str(key) for value in given for key in keys(value) if not isinstance(key, str)})
        found[name] = {**company, "name": name, "hosts": [host], "no_text": odd}
    return [found[name] for name in sorted(found)]


def hosts(hostvars: Mapping[str, Mapping[str, Any]], host_names: list[str]) -> dict[str, dict[str, str]]:
    """Name of each host: its public addresses (empty when unset) and its company's name (empty for a shared host)."""
    return {
        host: {
            "ipv4": str(hostvars[host].get("host_ipv4") or ""),
            "ipv6": str(hostvars[host].get("host_ipv6") or ""),
            "company": str(hostvars[host].get("company_name") or ""),
        }
        for host in sorted(host_names)
    }


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
        return {"postroom_companies": companies, "postroom_hosts": hosts, "postroom_variables": variables}
