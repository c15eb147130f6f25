"""Find the ports that a host's services listen on for others, so that the packet filter opens these and no more.

Room rule: pure. Settings come in as the inventory gives them, port numbers go out.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

LISTENER = re.compile(r"[a-z0-9]+_listen_[a-z0-9_]+\Z")
DNS = 53


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
        return {"postroom_listeners": listeners, "postroom_ports": ports}
