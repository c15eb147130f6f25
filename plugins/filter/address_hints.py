"""Judge the hosts' addresses by where they are valid: some cannot be right, some are right only behind NAT.

Room rule: pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def networks(*words: str) -> Networks:
    return tuple(ipaddress.ip_network(word) for word in words)


# RFC 1918, RFC 6598 (providers' NAT), RFC 4193
PRIVATE = networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
# RFC 5737, RFC 3849, RFC 9637
EXAMPLE_NETWORKS = networks("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
# RFC 1122 section 3.2.1.3, RFC 1112 section 4, RFC 3879
NOBODYS = networks("0.0.0.0/8", "240.0.0.0/4", "fec0::/10")


def address_problems(hosts: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return a sentence for each address that belongs to no host at all, or to no host alone."""
    return [
        f"{variable} of {host} is {address}, {fault}: give the address by which others reach the host"
        for host, variable, address in given(hosts)
        if (fault := no_hosts(address))
    ]


def address_hints(
    hosts: Mapping[str, Mapping[str, str]], listening: Mapping[str, list[int]], private_dns: bool
) -> list[str]:
    """Return advice about addresses that may be right, but are not what others see. `listening`: a host's open ports.

    A site with a private root of DNS is an island, where private addresses are as good as others.
    """
    found = []
    for host, variable, address in given(hosts):
        if any(address in network for network in EXAMPLE_NETWORKS):
            found.append(f"{variable} of {host} is {address}, an address for examples: enter the host's own")
        elif not private_dns and any(address in network for network in PRIVATE):
            found.append(behind_nat(host, variable, address, listening.get(host, [])))
    return found


def behind_nat(host: str, variable: str, address: Address, ports: list[int]) -> str:
    said = f"{variable} of {host} is {address}, a private address: others cannot reach it, and DNS records name it"
    if address.version == 6:  # there is no NAT to speak of
        return f"{said}; enter a public IPv6 address, or leave {variable} out"
    which = f" {', '.join(map(str, ports))}" if ports else " of its services"
    return (
        f"{said}. If the host is behind NAT: enter the router's public address, forward its TCP ports{which} "
        f"to {address}, let the host out to port 25 under the same address, and have the address's PTR record "
        f"name {host}; {address} then goes into host_private_ipv4. Programs inside reach the "
        "public address only if the router leads them back"
    )


def no_hosts(address: Address) -> str:
    if address.is_loopback:
        return "which every machine calls itself"
    if address.is_unspecified:
        return "which stands for any address"
    if address.is_multicast:
        return "which belongs to a group of machines"
    if address.is_link_local:
        return "which is valid on one cable alone"
    if isinstance(address, ipaddress.IPv6Address) and (within := address.ipv4_mapped):
        return f"which is the IPv4 address {within} in other words"
    if any(address in network for network in NOBODYS):
        return "which nobody has"
    return ""


def given(hosts: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str, Address]]:
    """Yield host, variable and address; what is no address of its kind is told by problems.py."""
    for host, addresses in hosts.items():
        for kind, version in (("ipv4", 4), ("ipv6", 6)):
            try:
                address = ipaddress.ip_address(addresses[kind])
            except ValueError:
                continue
            if address.version == version:
                yield host, f"host_{kind}", address


class FilterModule:
    """Registers the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"postroom_address_problems": address_problems, "postroom_address_hints": address_hints}
