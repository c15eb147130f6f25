"""Judge what was seen on the hosts before the first change.

Room rule: pure. A survey is what plugins/modules/host_survey.py returns.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

DAY = 86_400
LEAST_MEMORY, SMALL_MEMORY = 450, 900  # MiB; a host that is sold as 512 MiB has a little less
LEAST_ROOM, LITTLE_ROOM = 300, 2000  # MiB; a release takes about 100
LATE = 120  # seconds that a clock may be wrong without a word; a task's way to a slow host is counted in
OUR_UNITS = ("postroom-", "unbound.", "knot.")

Survey = Mapping[str, Any]


def all_sentences(hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str], kind: str) -> list[str]:
    """Return the sentences of all roles about all hosts: the facts `ROLE_preflight_KIND`."""
    found = []
    for host in hosts:
        for name, value in sorted(hostvars[host].items()):
            if name.endswith(f"_preflight_{kind}"):
                found += [f"{host}: {sentence}" for sentence in value]
    return found


def host_problems(survey: Survey, facts: Mapping[str, Any], wanted: Mapping[str, str], now: float) -> list[str]:
    """Return what keeps a host from being ours.

    `wanted`: its addresses in the inventory. `now`: the controller's clock.
    """
    found = []
    release = f"{facts['distribution']} {facts['distribution_version']}"
    if facts["distribution"] != "Debian" or facts["distribution_major_version"] not in ("12", "13"):
        found.append(f"the host runs {release}: use Debian 12 or 13")
    if survey["memory_mib"] < LEAST_MEMORY:
        found.append(f"the host has {survey['memory_mib']} MiB of memory: give it 1 GiB")
    for path, free in survey["free_mib"].items():
        if free < LEAST_ROOM:
            found.append(f"{path} has {free} MiB left: make room, {LITTLE_ROOM} MiB or more")
    if abs(survey["time"] - now) > DAY:
        found.append(f"the clock of the host is wrong by {round(abs(survey['time'] - now) / DAY)} days: set it")
    return found + address_problems(survey["addresses"], wanted)


def address_problems(present: list[str], wanted: Mapping[str, str]) -> list[str]:
    """Return a sentence for each address that is on no interface of the host. Behind NAT the private one counts."""
    found = []
    for kind in ("ipv4", "ipv6"):
        variable, address = f"host_{kind}", wanted.get(kind, "")
        if kind == "ipv4" and wanted.get("private_ipv4"):
            variable, address = "host_private_ipv4", wanted["private_ipv4"]
        if not address or same(address) in map(same, present):
            continue
        others = [one for one in present if is_of(one, 4 if kind == "ipv4" else 6)]
        nat = "; behind NAT, give the host's own address as host_private_ipv4" if variable == "host_ipv4" else ""
        found.append(
            f"{variable} is {address}, which is on no interface of the host (it has {', '.join(others) or 'none'}): "
            f"correct it{nat}"
        )
    return found


def host_advice(survey: Survey, now: float) -> list[str]:
    """Return what may become a difficulty later."""
    found = []
    if LEAST_MEMORY <= survey["memory_mib"] < SMALL_MEMORY:
        found.append(f"the host has {survey['memory_mib']} MiB of memory: 1 GiB or more serve better")
    found += [
        f"{path} has {free} MiB left: make room soon"
        for path, free in survey["free_mib"].items()
        if LEAST_ROOM <= free < LITTLE_ROOM
    ]
    if LATE < abs(survey["time"] - now) <= DAY:
        wrong = round(abs(survey["time"] - now))
        found.append(f"the clock of the host is wrong by {wrong} seconds: see host_time_package")
    return found


def taken_ports(survey: Survey, addresses: Iterable[str], protocol: str, leaving: Iterable[str] = ()) -> list[str]:
    """Return a sentence for each port that we need and another program has.

    `addresses`: as the listeners' variables give them. `leaving`: packages that the run replaces.
    """
    found: dict[str, None] = {}
    for host, port in map(parted, addresses):
        for entry in survey["listening"]:
            unit = entry["unit"]
            if entry["protocol"] != protocol or entry["port"] != port or not meet(host, entry["address"]):
                continue
            base = unit.partition(".")[0].partition("@")[0]
            if unit.startswith(OUR_UNITS) or (base and any(package.startswith(base) for package in leaving)):
                continue
            who = unit or entry["program"] or "another program"
            found[f"{protocol.upper()} port {port} is taken by {who}: stop and disable it, or listen elsewhere"] = None
    return list(found)


def resolver_advice(resolv_conf: Mapping[str, Any], used: bool) -> list[str]:
    """Return who will write /etc/resolv.conf after us."""
    if not used or not resolv_conf["writers"]:
        return []
    who = " and ".join(resolv_conf["writers"])
    return [
        f"{who} also writes /etc/resolv.conf, and may take the host's own resolver out of it: let "
        "it leave the file alone"
    ]


def parted(address: str) -> tuple[str, int]:
    """Return host and port of `192.0.2.1:25`, `[::]:25`, `127.0.0.1@5353` or a bare address, which means port 53."""
    host, at, port = address.partition("@")
    if at:
        return host, int(port)
    try:
        ipaddress.ip_address(address)
    except ValueError:
        host, _, port = address.rpartition(":")
        return host.removeprefix("[").removesuffix("]"), int(port)
    return address, 53


def meet(one: str, other: str) -> bool:
    """Whether two sockets of one port cannot both exist. `::` of others may take IPv4 too."""
    first, second = ipaddress.ip_address(one), ipaddress.ip_address(other)
    if first.version != second.version:
        return second.version == 6 and second.is_unspecified
    return first == second or first.is_unspecified or second.is_unspecified


def same(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(address)


def is_of(address: str, version: int) -> bool:
    found = ipaddress.ip_address(address)
    return found.version == version and not found.is_loopback and not found.is_link_local


class FilterModule:
    """Registers the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {
            "postroom_host_advice": host_advice,
            "postroom_host_problems": host_problems,
            "postroom_host_sentences": all_sentences,
            "postroom_resolver_advice": resolver_advice,
            "postroom_taken_ports": taken_ports,
        }
