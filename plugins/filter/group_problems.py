"""Judge the groups of an inventory: which hosts are Postroom's, what they do, and which company they belong to.

Room rule: pure. Groups come in as plugins/action/postroom_groups.py reads them, sentences go out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

OWN = "postroom"
MAIL, DNS = "mail_hosts", "name_servers"
FUNCTIONS = (MAIL, DNS)
LIKE = 0.75  # how much a group's name must look like one of ours to be taken for it

Groups = Mapping[str, Mapping[str, Any]]


def no_hosts(names: Iterable[str]) -> list[str]:
    """Return the sentence for an inventory without the group `postroom`. `names`: its groups that have hosts."""
    close = near(OWN, names)
    remedy = f"perhaps {close} should be {OWN}?" if close else "add it, with the children mail_hosts and name_servers"
    return [f"the inventory has no hosts in the group {OWN}: {remedy}"]


def group_problems(groups: Groups, strays: list[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each group, and each file of variables, that does not do what its author expects."""
    if not members(groups, MAIL):  # then all else would be told as a consequence
        otherwise = "add the group, with the group of each company below it"
        return [f"{MAIL} has no hosts: {guess(MAIL, others(groups), otherwise)}"]
    return [
        *function_problems(groups),
        *company_problems(groups),
        *(line for stray in strays for line in stray_problems(stray, groups)),
    ]


def function_problems(groups: Groups) -> Iterator[str]:
    ours = members(groups, OWN)
    for function in FUNCTIONS:
        outside = [host for host in members(groups, function) if host not in ours]
        if outside:
            yield f"{function} has {', '.join(outside)}, not in the group {OWN}: make {function} a child of {OWN}"
    mail, dns = members(groups, MAIL), members(groups, DNS)
    for host in ours:
        if host not in (*mail, *dns):
            its = [name for name in others(groups) if host in members(groups, name)]
            words = next((guess(function, its, "") for function in FUNCTIONS if near(function, its)), "")
            yield (
                f"{host} is in {OWN}, but neither in {MAIL} nor in {DNS}: "
                f"{words or 'say what it does, or take it out'}"
            )
    if len(dns) > 1:
        yield (
            f"{DNS} has {', '.join(dns)}: keep one. Each would sign the zones with keys of its own, "
            "so that their answers "
            "contradict one another; let other servers transfer the zones from it"
        )


def company_problems(groups: Groups) -> Iterator[str]:
    """Companies whose variables reach no mail host, or lose against those of another group."""
    mail = members(groups, MAIL)
    named = {name: entry for name, entry in groups.items() if "company_id" in entry["variables"]}
    for name, entry in groups.items():
        if not any(variable.startswith("company_") for variable in entry["variables"]) or name in (OWN, MAIL, "all"):
            continue
        if not any(host in mail for host in entry["hosts"]):
            yield f"the group {name} has company_* variables, but none of its hosts is in {MAIL}: {beyond(name, entry)}"
    for host in mail:
        its = {name: str(entry["variables"]["company_id"]) for name, entry in named.items() if host in entry["hosts"]}
        if len(set(its.values())) > 1:
            where = " and ".join(f"{name} (company_id {value})" for name, value in its.items())
            yield f"{host} is in the groups {where}: a host belongs to one company; take it out of the others"


def stray_problems(stray: Mapping[str, Any], groups: Groups) -> Iterator[str]:
    """A file that belongs to nobody. Files of other people's variables are none of our business."""
    ours = [name for name in stray["variables"] if name.startswith(("company_", "site_", "host_"))]
    if ours:
        kind = "group" if stray["file"].startswith("group_vars/") else "host"
        close = near(stray["name"], groups) if kind == "group" else ""
        remedy = f"perhaps {close}?" if close else f"give the file the name of a {kind}, or remove it"
        yield f"{stray['file']} sets {ours[0]}, but the inventory has no {kind} {stray['name']}: {remedy}"


def others(groups: Groups) -> list[str]:
    return [name for name in groups if name not in (OWN, *FUNCTIONS, "all", "ungrouped")]


def beyond(name: str, entry: Mapping[str, Any]) -> str:
    return f"make {name} a child of {MAIL}" if entry["hosts"] else f"give {name} its hosts"


def guess(wanted: str, names: Iterable[str], otherwise: str) -> str:
    close = near(wanted, names)
    return f"perhaps the group {close} should be {wanted}?" if close else otherwise


def near(wanted: str, names: Iterable[str]) -> str:
    """Return the name that looks most like the wanted one, or nothing."""
    return next(iter(difflib.get_close_matches(wanted, [name for name in names if name != wanted], 1, LIKE)), "")


def members(groups: Groups, name: str) -> list[str]:
    return list(groups[name]["hosts"]) if name in groups else []


class FilterModule:
    """Registers the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"postroom_no_hosts": no_hosts, "postroom_group_problems": group_problems}
