"""The DNS records that a mail domain needs, computed from domains, hosts and DKIM keys.

One flat list of records is the model. Zones are rendered from it, and it is printed for people whose DNS is elsewhere.
Room rule: pure. Names end in a dot; values are in presentation format (RFC 1035 section 5.1).
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

TTL = 3600
# RFC 6186 section 3, RFC 8314 section 5.1: mail clients prefer implicit TLS, and IMAP before POP3.
SERVICES: Mapping[str, tuple[int, int]] = {
    "submissions": (0, 465),
    "submission": (10, 587),
    "imaps": (0, 993),
    "imap": (10, 143),
    "pop3s": (20, 995),
    "pop3": (30, 110),
}

Record = dict[str, Any]
Hosts = Mapping[str, Mapping[str, str]]
Key = Mapping[str, str]  # as the vault has it: algorithm, private_key, state, since


def records(
    companies: list[Mapping[str, Any]], hosts: Hosts, dkim_keys: Mapping[str, Mapping[str, Key]]
) -> list[Record]:
    """All records of all domains and hosts. `dkim_keys`: domain -> selector -> key."""
    found: list[Record] = []
    domains = [options for company in companies for options in company["domains"].values()]
    senders = {host for options in domains for host in sending(options)}
    for company in companies:
        offered = company["client_services"] or list(SERVICES)
        for domain, options in company["domains"].items():
            found += domain_records(domain, options, dkim_keys.get(domain, {}))
            found += client_records(domain, str(options["home"]), offered)
    for name, host in hosts.items():
        found += host_records(name, host, sends=name in senders)
    return found


def domain_records(domain: str, options: Mapping[str, Any], keys: Mapping[str, Key]) -> Iterator[Record]:
    home = str(options["home"])
    exchangers = options.get("mx") or [home]
    for position, exchanger in enumerate(exchangers, start=1):
        yield record(domain, "MX", f"{position * 10} {absolute(exchanger)}")
    senders = [f"a:{host}" for host in sending(options)]
    yield record(domain, "TXT", text(sender_policy(senders, options.get("spf_include") or [])))
    for selector, key in sorted(keys.items()):
        yield record(f"{selector}._domainkey.{domain}", "TXT", text(dkim_record(key)))
    yield record(f"_dmarc.{domain}", "TXT", text(dmarc_record(options.get("dmarc") or {})))


def sending(options: Mapping[str, Any]) -> list[str]:
    """Return the hosts that send for a domain: its home, and those of `mx`, which send reports and forward mail."""
    return list(dict.fromkeys([str(options["home"]), *map(str, options.get("mx") or [])]))


def sender_policy(mechanisms: list[str], includes: list[str]) -> str:
    """RFC 7208: who may send for a name; nobody else does."""
    return " ".join(["v=spf1", *mechanisms, *(f"include:{name}" for name in includes), "-all"])


def dkim_record(key: Key) -> str:
    """Return the public half of a signing key: RFC 6376 section 3.6.1, RFC 8463 section 4."""
    if not key["private_key"]:  # check mode makes none
        return f"v=DKIM1; k={key['algorithm']}; p=(the run will make this key)"
    public_key = load_pem_private_key(key["private_key"].encode(), password=None).public_key()
    encoding, layout = Encoding.Raw, PublicFormat.Raw
    if key["algorithm"] == "rsa":
        encoding, layout = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    octets = public_key.public_bytes(encoding, layout)
    return f"v=DKIM1; k={key['algorithm']}; p={base64.b64encode(octets).decode()}"


def dmarc_record(options: Mapping[str, Any]) -> str:
    """RFC 9989 section 4.7. If the inventory sets nothing, receivers put mail that fails into quarantine."""
    tags = ["v=DMARC1", f"p={options.get('policy', 'quarantine')}"]
    if "subdomain_policy" in options:
        tags.append(f"sp={options['subdomain_policy']}")
    if "reports" in options:
        tags.append(f"rua=mailto:{options['reports']}")
    return "; ".join(tags)


def client_records(domain: str, home: str, offered: list[str]) -> Iterator[Record]:
    """Where mail clients find their servers; a lone dot says that a service is not offered (RFC 6186 section 3.4)."""
    for service, (priority, port) in SERVICES.items():
        value = f"{priority} 1 {port} {absolute(home)}" if service in offered else "0 0 0 ."
        yield record(f"_{service}._tcp.{domain}", "SRV", value)


def host_records(name: str, host: Mapping[str, str], *, sends: bool) -> Iterator[Record]:
    """Addresses both ways. A host's own name is what it says in EHLO, so it has a policy too (RFC 7208 section 2.3)."""
    for kind, address in (("A", host["ipv4"]), ("AAAA", host["ipv6"])):
        if address:
            yield record(name, kind, address)
            yield record(ipaddress.ip_address(address).reverse_pointer, "PTR", absolute(name))
    yield record(name, "TXT", text(sender_policy(["a"] if sends else [], [])))
    if not sends:
        yield record(name, "MX", "0 .")  # RFC 7505: takes no mail


def record(name: str, kind: str, value: str) -> Record:
    return {"name": absolute(name), "type": kind, "ttl": TTL, "value": value}


def absolute(name: str) -> str:
    return name if name.endswith(".") else f"{name}."


def text(value: str) -> str:
    """A TXT value: quoted strings of at most 255 octets each, which readers join again (RFC 7208 section 3.3)."""
    parts = [value[start : start + 255] for start in range(0, len(value), 255)] or [""]
    return " ".join('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in parts)


class FilterModule:
    """Registers the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"postroom_records": records}
