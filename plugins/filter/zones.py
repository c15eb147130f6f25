"""Sort records into zones, and link the zones of one server to one another.

Room rule: pure. A zone is {name, records}; records are as records.py makes them. Templates print them and
compute nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

TTL = 3600

Record = dict[str, Any]
Zone = dict[str, Any]


def zones(
    records: list[Record],
    companies: list[Mapping[str, Any]],
    hosts: Mapping[str, Mapping[str, str]],
    name_servers: list[str],
    extra: list[Zone],
) -> list[Zone]:
    """The zones of all company domains and of the hosts' addresses, and `extra` ones, each with its records.

    A record goes into the zone with the longest matching name; records of names that no zone covers are left out,
    since somebody else serves them.
    """
    origins = [f"{domain}." for company in companies for domain in company["domains"]]
    origins += sorted({reverse_zone(address) for host in hosts.values() for address in addresses(host)})
    found: dict[str, list[Record]] = {origin: [] for origin in origins}
    for zone in extra:
        found.setdefault(zone["name"], []).extend(zone.get("records", []))
    for record in records:
        origin = covering(record["name"], found)
        if origin is not None:
            found[origin].append(record)
    return [
        {"name": origin, "records": [*apex(origin, name_servers), *found[origin]]}
        for origin in sorted(found, key=lambda name: (name.count("."), name))
    ]


def delegations(zones: list[Zone], keys: Mapping[str, list[str]]) -> list[Zone]:
    """The same zones, in which each parent also delegates to its children: NS, and DS where a key is known.

    `keys`: zone name -> values of its DS records.
    """
    linked = [{**zone, "records": list(zone["records"])} for zone in zones]
    by_name = {zone["name"]: zone["records"] for zone in linked}
    everything = [record for zone in zones for record in zone["records"]]
    for zone in zones:
        child = zone["name"]
        parent = covering(child, [name for name in by_name if name != child])
        if child == "." or parent is None:
            continue
        servers = [record for record in zone["records"] if record["type"] == "NS" and record["name"] == child]
        by_name[parent] += [*servers, *glue(child, servers, everything)]
        by_name[parent] += [entry(child, "DS", value) for value in keys.get(child, [])]
    return linked


def glue(child: str, servers: list[Record], records: list[Record]) -> list[Record]:
    """Addresses of name servers that lie inside the child zone itself, without which nobody could reach them."""
    inside = {server["value"] for server in servers if covering(server["value"], [child])}
    return [record for record in records if record["type"] in ("A", "AAAA") and record["name"] in inside]


def apex(origin: str, name_servers: list[str]) -> list[Record]:
    """SOA and NS; nothing where others serve the zone. The serial number is the server's business: it stays 1."""
    if not name_servers:
        return []
    first = f"{name_servers[0]}."
    contact = f"hostmaster.{origin}" if origin != "." and "arpa." not in origin else f"hostmaster.{first}"
    soa = entry(origin, "SOA", f"{first} {contact} 1 3600 900 1209600 300")
    return [soa, *(entry(origin, "NS", f"{server}.") for server in name_servers)]


def covering(name: str, origins: Iterable[str]) -> str | None:
    """The longest of `origins` that `name` lies in."""
    matching = [origin for origin in origins if origin in (".", name) or name.endswith(f".{origin}")]
    return max(matching, key=len, default=None)


def reverse_zone(address: str) -> str:
    """The zone for an address's neighbours: a /24 in IPv4, a /64 in IPv6."""
    labels = ipaddress.ip_address(address).reverse_pointer.split(".")
    return ".".join(labels[16:] if ":" in address else labels[1:]) + "."


def addresses(host: Mapping[str, str]) -> list[str]:
    return [address for address in (host["ipv4"], host["ipv6"]) if address]


def entry(name: str, kind: str, value: str) -> Record:
    return {"name": name, "type": kind, "ttl": TTL, "value": value}


class FilterModule:
    """Registers the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"postroom_zones": zones, "postroom_delegations": delegations}
