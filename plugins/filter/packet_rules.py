"""The rules of the packet filter for open ports.

Room rule: pure. Entries are as the role's argument specs describe them: `port`, and `from` where not everybody may ask.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any


def rules(entries: list[Mapping[str, Any]], protocol: str) -> list[str]:
    """Return the lines for nftables that accept packets to the ports, each with a comment that says what opened it.

    `protocol`: tcp or udp. Ports that one thing opens for the same networks are one line.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for entry in entries:
        key = (str(entry.get("for") or ""), tuple(map(str, entry.get("from") or ())))
        groups.setdefault(key, []).append(entry["port"])
    return [line for (opener, sources), ports in groups.items() for line in lines(opener, sources, ports, protocol)]


def lines(opener: str, sources: tuple[str, ...], ports: list[int], protocol: str) -> list[str]:
    comment = f' comment "{opener}"' if opener else ""
    accept = f"{protocol} dport {{ {', '.join(map(str, sorted({*ports})))} }} accept{comment}"
    if not sources:
        return [accept]
    networks = [ipaddress.ip_network(source, strict=False) for source in sources]
    v4 = [one for one in networks if isinstance(one, ipaddress.IPv4Network)]
    v6 = [one for one in networks if isinstance(one, ipaddress.IPv6Network)]
    # nft refuses a set whose members overlap
    named = [("ip", list(ipaddress.collapse_addresses(v4))), ("ip6", list(ipaddress.collapse_addresses(v6)))]
    return [f"{word} saddr {{ {', '.join(map(str, found))} }} {accept}" for word, found in named if found]


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"host_packet_rules": rules}
