"""How many hosts a play that restarts agents works on at a time.

Room rule: pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Batch = int | str


def batch(hostvars: Mapping[str, Mapping[str, Any]], mail_hosts: list[str]) -> Batch:
    """Return Ansible's `serial`: all hosts, or 1 where a company has several.

    Whatever part of the hosts `--limit` leaves, a company's second host goes on serving, and when the first one fails
    its restart, Ansible stops before the second. Without `hostvars`, as in a syntax check, it is 1.
    """
    if any(host not in hostvars for host in mail_hosts):
        return 1
    companies = [hostvars[host].get("company_id") or hostvars[host].get("company_name") for host in mail_hosts]
    return "100%" if len(set(companies)) == len(companies) else 1


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"postroom_batch": batch}
