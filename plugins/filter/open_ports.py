"""Find the ports that a host's services listen on for others, so that the packet filter opens these and no more.

Room rule: pure. Settings come in as the inventory gives them. An open port is `{port: 25}`, for everybody, or
`{port: 9100, from: [192.0.2.0/24]}`, for some networks.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

LISTENER = re.compile(r"[a-z0-9]+_listen_[a-z0-9_]+\Z")
DNS = 53
VARIABLES = ("site_open_tcp_ports", "site_open_udp_ports", "host_extra_tcp_ports", "host_extra_udp_ports")


def listeners(given: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the addresses of all `AGENT_listen_SOCKET` variables: what the inventory gives, else the role's default.

    `given`: the variables of one host. `options`: the roles' argument specs.
    """
    names = sorted(name for name in options if LISTENER.match(name))
    return [address for name in names for address in given.get(name, options[name]["default"])]


def ports(addresses: list[str]) -> list[int]:
    """Return the ports in order, each once; addresses that only the host itself reaches need no opening.

    An address is `192.0.2.1:25`, `[2001:db8::1]:25`, or as DNS servers write it: `192.0.2.1@53`, `2001:db8::1`.
    """
    return sorted({port for host, port in map(parted, addresses) if not is_loopback(host)})


def ports_of_agents(
    agents: list[str], given: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[int]]:
    """Return the ports that each agent opens for others; arguments as for `listeners`."""
    return {
        agent: ports(listeners(given, {name: spec for name, spec in options.items() if name.startswith(f"{agent}_")}))
        for agent in agents
    }


def opened(agents: Mapping[str, list[int]], for_some: list[list[Any]], extra: list[Any]) -> list[dict[str, Any]]:
    """Return all open ports of a host, each with the role or the variable that opens it.

    `agents`: name of a role -> the ports that it opens for everybody. `for_some`: (role, ports, networks).
    `extra`: what the inventory adds, numbers or mappings.
    """
    found: list[dict[str, Any]] = [{"port": port, "for": name} for name, numbers in agents.items() for port in numbers]
    found += [{"port": port, "from": clients, "for": name} for name, numbers, clients in for_some for port in numbers]
    found += [
        {**entry, "for": "inventory"} if isinstance(entry, Mapping) else {"port": entry, "for": "inventory"}
        for entry in extra
    ]
    everybody = {entry["port"] for entry in found if not entry.get("from")}
    kept: dict[Any, dict[str, Any]] = {}
    for entry in found:
        sources = tuple(entry.get("from") or ())
        if not sources or entry["port"] not in everybody:
            kept.setdefault((entry["port"], sources), entry)
    return list(kept.values())


def port_faults(hostvars: Mapping[str, Mapping[str, Any]], hosts: list[str]) -> list[str]:
    """Return a sentence for each open port that is no number and no mapping of `port` and `from`.

    What is no list is told by setting_faults.py.
    """
    found: dict[str, None] = {}
    for host in hosts:
        for variable in VARIABLES:
            given = hostvars[host].get(variable, [])
            for number, entry in enumerate(given if isinstance(given, list) else (), start=1):
                if fault := entry_fault(entry):
                    found[f"{variable}, entry {number}, {fault}"] = None
    return list(found)


def entry_fault(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return "" if is_number(entry) else f"is {entry!r}: write a port, or {{port: 9100, from: [192.0.2.0/24]}}"
    if unknown := sorted({str(key) for key in entry} - {"port", "from"}):
        return f"{unknown[0]!r} is no option here: use from, port"
    if not is_number(entry.get("port")):
        return f"port is {entry.get('port')!r}: give a number from 1 to 65535, without quotes"
    sources = entry.get("from", [])
    if not isinstance(sources, list) or ("from" in entry and not sources):
        return f"from is {sources!r}: write a list of networks, such as [192.0.2.0/24]"
    wrong = [source for source in sources if not is_network(source)]
    remedy = "write a network such as 192.0.2.0/24, without bits behind its length"
    return f"from has {wrong[0]!r}: {remedy}" if wrong else ""


def is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536


def is_network(text: Any) -> bool:
    try:
        ipaddress.ip_network(str(text))
    except ValueError:
        return False
    return True


def parted(address: str) -> tuple[str, int]:
    """Return host and port; the port is 53 where none is named."""
    host, at, port = address.partition("@")
    if at:
        return host, int(port)
    if is_address(address):
        return address, DNS
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    address = ipaddress.ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


class FilterModule:
    """Registers the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {
            "postroom_listeners": listeners,
            "postroom_open_ports": opened,
            "postroom_port_faults": port_faults,
            "postroom_ports": ports,
            "postroom_ports_of_agents": ports_of_agents,
        }
