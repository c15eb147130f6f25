"""Find variables that look like ours and that nothing reads: typing mistakes, most likely.

Room rule: pure.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

COMPANY_VARIABLES = (
    "id",
    "name",
    "administrator",
    "domains",
    "people",
    "aliases",
    "client_services",
    "dkim_rsa_bits",
)
HOST_VARIABLES = {"host_ipv4", "host_ipv6", "host_private_ipv4"}
LIKE = 0.85  # how much a name must look like one of ours to be taken for it, whatever it begins with
# What playbooks/wiring.yml and the playbooks read; docs/reference/inventory.md explains each.
SITE_VARIABLES = {
    "site_changes_read",
    "site_dns_listen",
    "site_extra_zones",
    "site_open_tcp_ports",
    "site_open_udp_ports",
    "site_private_root",
    "site_private_zones",
    "site_resolver_cache_seconds",
    "site_resolver_clients",
    "site_resolver_forwarders",
    "site_resolver_listen",
    "site_tls_certificates",
}


def unknown_variables(
    names: list[str], settings: list[str], agents: list[str], of_all: Iterable[str] = ()
) -> list[str]:
    """A sentence for each variable that looks like ours and is read by nothing: a typing mistake, most likely.

    `names`: all variables of the inventory. `settings`: the variables of the roles. `agents`: their
    names. `of_all`: variables of the group `all`, which are for other machines too and need not be ours.
    """
    known = {*(f"company_{key}" for key in COMPANY_VARIABLES), *SITE_VARIABLES, *HOST_VARIABLES, *settings}
    ours = tuple(f"{prefix}_" for prefix in ("company", "site", *agents))
    found = []
    for name in sorted(set(names) - known):
        is_ours = name.startswith(ours) and name not in of_all
        likeness = 0.6 if is_ours else LIKE
        close = difflib.get_close_matches(name, known, 1, likeness)
        if close or is_ours:
            remedy = f"perhaps {close[0]}?" if close else "take it out"
            found.append(f"{name} is no variable of Postroom: {remedy}")
    return found


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"postroom_unknown_variables": unknown_variables}
