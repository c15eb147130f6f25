"""Judge every setting that an inventory gives, before the first change: a sentence for each wrong type, form or range.

Types come from the roles' argument specs, forms from the table here, ranges from the agents' own settings. Where
Ansible runs without the agents' programs, ranges are left to the hosts. Room rule: reads nothing but what comes in.
"""

from __future__ import annotations

import importlib
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

SIZE = re.compile(r"[1-9]\d*[KMGT]?\Z")  # systemd.resource-control(5), journald.conf(5)
SET = re.compile(r"[A-Za-z0-9_*][A-Za-z0-9._*-]*\Z")
ZONE = re.compile(r"\.\Z|([a-z0-9_]([a-z0-9_-]{0,62})\.)+\Z")
SECONDS = r"[a-z0-9]+_(\w+_(timeout|seconds|after|window)|retry_\w+|remember_deliveries)"
REFUSED = re.compile(r"(?P<field>\w+) = .* is not usable: give (?P<right>.*?)( - at `.*`)?\Z", re.DOTALL)
TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a whole number, without quotes"),
    "float": ((int, float), "a number, without quotes"),
    "bool": ((bool,), "true or false"),
    "str": ((str,), "text"),
    "path": ((str,), "a path"),
    "list": ((list,), "a list, such as [A, B]"),
    "dict": ((dict,), "a mapping, such as {NAME: VALUE}"),
}
# Of the group `postroom`; playbooks/wiring.yml hands them to the roles.
SITE = {
    "site_changes_read": {"type": "raw"},  # judged by changes.py
    "site_dns_listen": {"type": "list", "elements": "str"},
    "site_extra_zones": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "records": {"type": "list", "elements": "dict"},
        },
    },
    "site_open_tcp_ports": {"type": "list", "elements": "raw"},  # judged by open_ports.py
    "site_open_udp_ports": {"type": "list", "elements": "raw"},
    "site_private_root": {"type": "bool"},
    "site_private_zones": {"type": "list", "elements": "str"},
    "site_resolver_cache_seconds": {"type": "int"},
    "site_resolver_clients": {"type": "list", "elements": "str"},
    "site_resolver_forwarders": {"type": "list", "elements": "str"},
    "site_resolver_listen": {"type": "list", "elements": "str"},
    "site_tls_certificates": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "certificate_file": {"type": "path"},
            "key_file": {"type": "path"},
        },
    },
}

# What people look for under a name that the kit sets itself.
INSTEAD = {
    "host_open_tcp_ports": "host_extra_tcp_ports for this host, or site_open_tcp_ports for all",
    "host_open_udp_ports": "host_extra_udp_ports for this host, or site_open_udp_ports for all",
}

Specs = Mapping[str, Mapping[str, Any]]


def faults(
    hostvars: Mapping[str, Mapping[str, Any]], names: list[str], specs: Specs, wired: Specs, agents: list[str]
) -> list[str]:
    """What is wrong with the settings of all hosts.

    `specs`: the roles' options; `wired`: what the kit itself sets; `agents`: names of those whose own rules count.
    """
    found: dict[str, None] = {}
    for host in names:
        variables = hostvars[host]
        given = {}
        for name in variables:
            if name in specs or name in SITE or name in wired:
                try:
                    given[name] = plain(variables[name])
                except Exception as error:  # whatever a template of somebody's own may raise
                    words = " ".join(str(error).split()).rpartition("tripped: ")[2]
                    found[f"{name} cannot be computed: {words}: correct its template"] = None
        found.update(dict.fromkeys(host_faults(given, {**specs, **SITE}, wired, agents)))
    return list(found)


def host_faults(
    given: Mapping[str, Any], specs: Specs, wired: Mapping[str, Any], agents: list[str]
) -> Iterator[str]:
    sound = {}
    for name, value in sorted(given.items()):
        if name in wired:
            yield not_heard(name, str(wired[name]))
            continue
        told = [*type_faults(name, value, specs[name])] or [*form_faults(name, value)]
        yield from told
        if not told:
            sound[name] = value
    days, renew = sound.get("tls_days", 397), sound.get("tls_renew_days", 30)
    if renew >= days:
        yield f"tls_renew_days is {renew}: give less than tls_days, {days}"
    if sound.get("site_resolver_listen") and not given.get("site_resolver_clients"):
        listening = sound["site_resolver_listen"]
        yield f"site_resolver_listen is {listening}: give site_resolver_clients too, who may ask"
    yield from certificate_faults(sound.get("site_tls_certificates", []))
    for agent in agents:
        yield from agent_faults(agent, sound)


def certificate_faults(given: list[Mapping[str, Any]]) -> Iterator[str]:
    seen = set()
    for number, entry in enumerate(given, start=1):
        where, name = f"site_tls_certificates, entry {number},", entry["name"]
        if not SET.match(name) or name in seen:
            yield f"{where} name is {name!r}: give a folder's name, such as mail.example.org, each once"
        seen.add(name)
        if wrong := [each for each in entry["names"] or [""] if not is_host(each.removeprefix("*."))]:
            yield f"{where} names has {wrong[0]!r}: give host names such as mail.example.org, at least one"
        files = {option: entry[option] for option in ("certificate_file", "key_file") if option in entry}
        if len(files) == 1:
            yield f"{where} has {next(iter(files))} alone: give certificate_file and key_file, both or neither"
        for option, path in files.items():
            if not path.startswith(("/", "~")):
                yield f"{where} {option} is {path!r}: give a path from the root"


def not_heard(name: str, source: str) -> str:
    """For a variable that wiring.yml sets, whatever the inventory says."""
    if name in INSTEAD:
        return f"{name} is set by the kit itself and would not be heard here: use {INSTEAD[name]}"
    site = re.search(r"\bsite_[a-z_]+", source)
    return f"{name} is set by the kit itself and would not be heard here: " + (
        f"use {site[0]}" if site else "take it out; it follows from companies and hosts"
    )


def type_faults(name: str, value: Any, spec: Mapping[str, Any]) -> Iterator[str]:
    if spec["type"] == "raw":
        return
    types, words = TYPES[spec["type"]]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        yield f"{name} is {value!r}: give {words}"
    elif "choices" in spec and value not in spec["choices"]:
        yield f"{name} is {value!r}: give one of {', '.join(spec['choices'])}"
    elif isinstance(value, list):
        element = {"type": spec.get("elements", "str"), "options": spec.get("options")}
        for number, item in enumerate(value, start=1):
            yield from type_faults(f"{name}, entry {number},", item, element)
    elif isinstance(value, dict) and spec.get("options"):
        yield from option_faults(name, value, spec["options"])


def option_faults(where: str, given: Mapping[str, Any], options: Specs) -> Iterator[str]:
    for option, spec in options.items():
        if option in given:
            yield from type_faults(f"{where} {option}", given[option], spec)
        elif spec.get("required"):
            yield f"{where} has no {option}: add it; it is {TYPES[spec['type']][1]}"
    for option in given:
        if option not in options:
            yield f"{where} {option!r} is no option here: use {', '.join(sorted(options))}"


def form_faults(name: str, value: Any) -> Iterator[str]:
    """Each value, or entry of a list, that has not the form which the table asks of variables of this name."""
    for pattern, right, fits in FORMS:
        if re.fullmatch(pattern, name):
            for entry in value if isinstance(value, list) else [value]:
                if not fits(entry):
                    yield f"{name} is {entry!r}: give {right}"


def is_address(value: Any) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def is_network(value: Any) -> bool:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return True


def is_port(value: str) -> bool:
    return value.isascii() and value.isdigit() and 0 < int(value) < 65536


def is_socket(value: Any) -> bool:
    """`192.0.2.1:25` or `[2001:db8::1]:25`."""
    host, _, port = value.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    return is_port(port) and is_address(bare) and (":" in bare) == (host == f"[{bare}]")


def is_address_at_port(value: Any) -> bool:
    address, at, port = value.partition("@")
    return is_address(address) and (not at or is_port(port))


def is_zone(value: Any) -> bool:
    return bool(ZONE.match(value))


def is_host(value: str) -> bool:
    return bool(value) and is_zone(f"{value.lower()}.")


def within(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: least <= value <= most


def anything(value: Any) -> bool:
    del value
    return True


FORMS: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    (r"\w+_memory_max|host_journal_max_use", "a size such as 500M or 2G", lambda value: bool(SIZE.match(value))),
    (r"(?!site_)[a-z0-9]+_listen_\w+", "ADDRESS:PORT, such as 192.0.2.1:25 or [2001:db8::1]:25", is_socket),
    (r"(?!site_)[a-z0-9]+_resolver", "ADDRESS:PORT, such as 127.0.0.1:53", is_socket),
    (r"\w+_trusted_clients|site_resolver_clients", "a network such as 192.0.2.0/24", is_network),
    (r"site_resolver_listen", "an IP address", is_address),
    (r"site_resolver_forwarders|site_dns_listen", "ADDRESS or ADDRESS@PORT", is_address_at_port),
    (r"site_private_zones", "a zone's name with its dot at the end, such as 10.in-addr.arpa.", is_zone),
    (r"site_resolver_cache_seconds", "0 to 86400 seconds", within(0, 86400)),
    (SECONDS, "seconds, at most a year (31536000)", lambda value: value <= 31_536_000),
    (r"tls_days", "1 to 825 days", within(1, 825)),
    (r"tls_renew_days", "at least 1 day", within(1, 824)),
    (r"release_keep", "1 to 100 releases", within(1, 100)),
    # judged by open_ports.py
    (r"host_extra_\w+_ports", "a port, or {port: 9100, from: [192.0.2.0/24]} for some networks", anything),
    (r"release_command|release_share|directory_command", "a path from the root", lambda value: value.startswith("/")),
)  # fmt: skip


def agent_faults(agent: str, given: Mapping[str, Any]) -> Iterator[str]:
    """What the agent itself would refuse, first each setting alone, then all of them together."""
    try:
        from msgspec import structs  # noqa: PLC0415 -- see above
        from postroom.runtime.config import convert  # noqa: PLC0415

        kind = getattr(importlib.import_module(f"postroom.{agent}.config"), f"{agent.capitalize()}Config")
    except ImportError:
        return
    fields = {field.name for field in structs.fields(kind)}
    own = {
        name.removeprefix(f"{agent}_"): value
        for name, value in given.items()
        if name.startswith(f"{agent}_") and name.removeprefix(f"{agent}_") in fields
    }
    bad = False
    for settings in [{field: value} for field, value in own.items()] + [own]:
        if bad and len(settings) > 1:
            return
        try:
            convert({"host_name": "mail.example.org", **settings}, kind)
        except ValueError as error:
            bad = True
            yield refusal(agent, settings, str(error))


def refusal(agent: str, settings: Mapping[str, Any], words: str) -> str:
    """The agent's words, with the inventory's name of the setting."""
    told = REFUSED.match(words)
    field = told["field"] if told and told["field"] in settings else next(iter(settings))
    return f"{agent}_{field} is {settings[field]!r}: " + (f"give {told['right']}" if told else words)


def plain(value: Any) -> Any:
    """Without the types that Ansible wraps around values; what is no data is left to its own words."""
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return str(value)


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"postroom_setting_faults": faults}
