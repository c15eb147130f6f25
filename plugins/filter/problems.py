"""Judge a whole inventory before the first change: every problem at once, each with variable, value and remedy.

Keys and values that YAML does not read as text are explained by yaml_words.py, and left out here.
Room rule: pure. Companies and hosts come in as `companies.py` reads them, sentences go out.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

HOST_NAME = re.compile(r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]\Z")
LOCAL_PART = re.compile(r"(?=.{1,64}\Z)[a-z0-9!#$%&'*/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*/=?^_`{|}~-]+)*\Z")
PERSON_ID = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")
QUOTA = re.compile(r"([1-9]\d*)\s*([KMGT]i?)?B?\Z")
UNITS = {
    "": 1,
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
PERSON_LIMITS = ("messages_per_day", "recipients_per_day")
PERSON_OPTIONS = {"name", "address", "aliases", "quota", "enabled", "state", "send_as", *PERSON_LIMITS}
PERSON_STATES = ("active", "disabled", "deleted")
DOMAIN_OPTIONS = {"home", "mx", "alias_of", "catch_all", "dmarc", "spf_include", "dkim_rsa_bits", "separator"}
DMARC_OPTIONS = {"policy", "subdomain_policy", "reports"}
DMARC_POLICIES = ("none", "quarantine", "reject")  # RFC 9989 section 4.7
CLIENT_SERVICES = ("submissions", "submission", "imaps", "imap", "pop3s", "pop3")
SMALLEST_RSA = 2048  # RFC 8301 section 3.2 asks signers for at least this
LARGEST_RSA = 4096
SMALLEST_QUOTA = 10**6
Company = Mapping[str, Any]
Hosts = Mapping[str, Mapping[str, Any]]


def quota_bytes(value: Any) -> int:
    """Octets of a quota such as `2 GB`, `512 MiB` or a bare number. Raises ValueError for anything else."""
    match = QUOTA.match(str(value).strip())
    if match is None:
        raise ValueError(f"{value!r} is not a size such as 500 MB or 2 GB")
    return int(match[1]) * UNITS[match[2] or ""]


def problems(companies: list[Company], hosts: Hosts) -> list[str]:
    """All that is wrong with the inventory, a sentence each; empty when the hosts may be changed."""
    known = {domain for company in companies for domain in mapping(company["domains"])}
    found = [*host_problems(hosts)]
    belonging = {host for company in companies for host in company["hosts"]}
    for host, entry in hosts.items():
        if entry.get("mail", True) and host not in belonging:
            remedy = "put it into the group of its company"
            found.append(f"{host} is in mail_hosts, but has no company_* variables: {remedy}")
    for company in companies:
        found += company_problems(company)
        found += domain_problems(company, hosts)
        found += people_problems(company, known)
        found += alias_problems(company, known)
    return [*found, *repeated_domains(companies), *repeated_addresses(companies)]


def host_problems(hosts: Hosts) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name, host in hosts.items():
        if not HOST_NAME.match(name):
            yield f"inventory_hostname {name!r}: use the host's full name in lower case, such as mail.example.org"
        if not host["ipv4"] and not host["ipv6"]:
            yield f"host_ipv4 and host_ipv6 of {name} are missing: give the host at least one public address"
        for variable, version in (("host_ipv4", 4), ("host_ipv6", 6)):
            value = host[variable.removeprefix("host_")]
            if not value:
                continue
            if not is_address(value, version):
                yield f"{variable} of {name} is {value!r}: write a single IPv{version} address"
            elif value in seen:
                yield f"{variable} of {name} is {value}, which is also {seen[value]}'s: give each host its own address"
            seen.setdefault(value, name)
        private = host.get("private_ipv4", "")
        if private and not is_address(private, 4):
            yield f"host_private_ipv4 of {name} is {private!r}: write a single IPv4 address"
        elif private and private == host["ipv4"]:
            yield (
                f"host_private_ipv4 of {name} is {private}, which is also host_ipv4: give the address "
                "that others see there"
            )


def company_problems(company: Company) -> Iterator[str]:
    name, people = company["name"], mapping(company["people"])
    if not mapping(company["domains"]):
        yield f"company_domains of {name or company['hosts'][0]} is empty: list at least one mail domain"
    administrator = company["administrator"]
    if administrator in (None, ""):
        yield f"company_administrator of {name} is missing: name the person who gets root, postmaster and abuse mail"
    elif is_no_text(administrator):
        pass
    elif not isinstance(administrator, str) or administrator not in people:
        yield (
            f"company_administrator of {name} is {administrator!r}, who is not in company_people: "
            f"use one of its keys{listed(people)}"
        )
    elif mapping(people[administrator]).get("state") in ("disabled", "deleted"):
        state = people[administrator]["state"]
        yield f"company_administrator of {name} is {administrator!r}, who is {state}: name somebody who reads the mail"
    for variable in ("domains", "people", "aliases"):
        if company[variable] is not None and not isinstance(company[variable], Mapping):
            yield f"company_{variable} of {name} is {company[variable]!r}: write a mapping, NAME: VALUE on each line"
    yield from list_problems(
        f"company_client_services of {name}", {"it": company["client_services"]}, ("it",)
    )
    for service in listing(company["client_services"]):
        if service not in CLIENT_SERVICES and not is_no_text(service):
            yield f"company_client_services of {name} has {service!r}: use some of {', '.join(CLIENT_SERVICES)}"
    yield from dkim_problems("company_dkim_rsa_bits", name, company["dkim_rsa_bits"])


def domain_problems(company: Company, hosts: Hosts) -> Iterator[str]:
    domains = mapping(company["domains"])
    for domain, options in domains.items():
        where = f"company_domains of {company['name']}: {domain}"
        if not HOST_NAME.match(domain) and domain not in company.get("no_text", ()):
            yield f"{where} is no domain name: write it in lower case and in ASCII (xn-- for other letters)"
        if not isinstance(options, Mapping):
            yield f"{where} is {options!r}: write {{home: NAME OF A HOST}}"
            continue
        yield from unknown_options(where, options, DOMAIN_OPTIONS)
        yield from home_problems(where, options.get("home"), company, hosts)
        yield from list_problems(where, options, ("mx", "spf_include"))
        yield from exchanger_problems(where, options, company, hosts)
        alias = options.get("alias_of")
        known = isinstance(alias, str) and alias in domains
        leads_on = not is_no_text(alias) and (not known or mapping(domains[alias]).get("alias_of"))
        if alias is not None and leads_on:
            yield f"{where}: alias_of is {alias!r}: name a domain of the same company that is no alias itself"
        if options.get("catch_all") is not None and not is_no_text(options["catch_all"]):
            yield from target_problems(f"{where}: catch_all", options["catch_all"], company)
        yield from dmarc_problems(where, options.get("dmarc"))
        yield from dkim_problems(f"{where}: dkim_rsa_bits", "", options.get("dkim_rsa_bits"))


def home_problems(where: str, home: Any, company: Company, hosts: Hosts) -> Iterator[str]:
    if home in (None, "", []):
        yield f"{where}: home is missing: name the one host that keeps the domain's mailboxes"
    elif is_no_text(home):
        return
    elif not isinstance(home, str):
        yield f"{where}: home is {home!r}: a domain has exactly one home host; list others under mx"
    elif home not in hosts:
        yield (
            f"{where}: home is {home!r}, which is no host of the group postroom: use one of "
            f"{', '.join(company['hosts'])}"
        )
    elif not hosts[home].get("mail", True):
        yield (
            f"{where}: home is {home!r}, which is not in mail_hosts and runs no agents: use one of "
            f"{', '.join(company['hosts'])}"
        )
    elif home not in company["hosts"]:
        yield f"{where}: home is {home!r}, a host of another company: use one of {', '.join(company['hosts'])}"


def exchanger_problems(where: str, options: Mapping[str, Any], company: Company, hosts: Hosts) -> Iterator[str]:
    """Each host of `mx` runs our agents and knows the domain, else mail that it is given would be refused there."""
    exchangers = listing(options.get("mx"))
    for position, host in enumerate(exchangers):
        if is_no_text(host):
            continue
        if host in exchangers[:position]:
            yield f"{where}: mx has {host!r} twice: name each host once"
        elif host not in hosts:
            yield f"{where}: mx has {host!r}, which is no host of the group postroom: add the host or drop it here"
        elif not hosts[host].get("mail", True):
            yield (
                f"{where}: mx has {host!r}, which is not in mail_hosts and runs no agents: add it there "
                "or drop it here"
            )
        elif host not in company["hosts"]:
            yield f"{where}: mx has {host!r}, a host of another company: use some of {', '.join(company['hosts'])}"


def dmarc_problems(where: str, options: Any) -> Iterator[str]:
    if options is None:
        return
    if not isinstance(options, Mapping):
        yield f"{where}: dmarc is {options!r}: write {{policy: reject}}"
        return
    yield from unknown_options(f"{where}: dmarc", options, DMARC_OPTIONS)
    for key in ("policy", "subdomain_policy"):
        if key in options and options[key] not in DMARC_POLICIES and not is_no_text(options[key]):
            yield f"{where}: dmarc.{key} is {options[key]!r}: use one of {', '.join(DMARC_POLICIES)}"
    if "reports" in options and not is_mail_address(options["reports"]):
        yield f"{where}: dmarc.reports is {options['reports']!r}: give the mail address that receives the reports"


def dkim_problems(variable: str, name: str, bits: Any) -> Iterator[str]:
    of = f" of {name}" if name else ""
    if bits is None:
        return
    if not isinstance(bits, int) or isinstance(bits, bool):
        yield f"{variable}{of} is {bits!r}: give a number of bits, {SMALLEST_RSA} is usual"
    elif bits < SMALLEST_RSA:
        yield f"{variable}{of} is {bits}, too weak: receivers ignore it; use {SMALLEST_RSA} or more"
    elif bits > LARGEST_RSA:
        yield f"{variable}{of} is {bits}: many receivers cannot check so long a key; use at most {LARGEST_RSA}"


def people_problems(company: Company, known: set[str]) -> Iterator[str]:
    for person, options in mapping(company["people"]).items():
        where = f"company_people of {company['name']}: {person}"
        if not PERSON_ID.match(person) and person not in company.get("no_text", ()):
            right = "lower-case letters, digits, - and _, a letter first"
            yield f"{where}: the key is the mailbox's lasting name: use {right}"
        if not isinstance(options, Mapping):
            yield f"{where} is {options!r}: write {{name: …, address: …, quota: …}}"
            continue
        yield from unknown_options(where, options, PERSON_OPTIONS)
        yield from person_rights_problems(where, options)
        if options.get("name") in (None, ""):
            yield f"{where}: name is missing: write the person's name"
        elif is_nested(options["name"]):
            yield f"{where}: name is {options['name']!r}: write the person's name, without brackets or braces"
        if options.get("address") in (None, ""):
            yield f"{where}: address is missing: write the person's mail address, which is also the login name"
        else:
            yield from own_address_problems(f"{where}: address", options["address"], company, known)
        yield from list_problems(where, options, ("aliases", "send_as"))
        for alias in listing(options.get("aliases")):
            yield from own_address_problems(f"{where}: aliases", alias, company, known)
        if options.get("quota") is not None:
            try:
                if quota_bytes(options["quota"]) < SMALLEST_QUOTA:
                    yield f"{where}: quota is {options['quota']!r}, room for no message: write a unit, such as 500 MB"
            except ValueError as error:
                yield f"{where}: quota {error}: write a number and a unit"


def person_rights_problems(where: str, options: Mapping[str, Any]) -> Iterator[str]:
    """What a person may do, and whether still."""
    if options.get("state", "active") not in PERSON_STATES and not is_no_text(options["state"]):
        yield f"{where}: state is {options['state']!r}: use one of {', '.join(PERSON_STATES)}"
    if not isinstance(options.get("enabled", True), bool):
        yield f"{where}: enabled is {options['enabled']!r}: write true or false, without quotes"
    for limit in PERSON_LIMITS:
        value = options.get(limit, 0)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            yield f"{where}: {limit} is {value!r}: write a number, or 0 for the usual limit"
    for address in listing(options.get("send_as")):
        if not is_mail_address(address) and not is_no_text(address):
            yield f"{where}: send_as has {address!r}: write an address such as info@example.org"


def alias_problems(company: Company, known: set[str]) -> Iterator[str]:
    for alias, targets in mapping(company["aliases"]).items():
        where = f"company_aliases of {company['name']}: {alias}"
        if alias not in company.get("no_text", ()):
            yield from own_address_problems(where, alias, company, known)
        if not isinstance(targets, list) or not targets:
            yield f"{where} leads to {targets!r}: write a list of addresses"
            continue
        for target in targets:
            yield from target_problems(where, target, company)


def own_address_problems(where: str, address: Any, company: Company, known: set[str]) -> Iterator[str]:
    """An address that this company receives under."""
    if is_no_text(address):
        return
    if not is_mail_address(address):
        yield f"{where} is {address!r}: write an address in lower case, such as ada@example.org, without a + part"
        return
    domain = address.rpartition("@")[2]
    if domain in mapping(company["domains"]):
        return
    whose = "a domain of another company" if domain in known else "an unknown domain"
    yield f"{where} is {address}, in {whose}: use one of company_domains{listed(mapping(company['domains']))}"


def target_problems(where: str, address: Any, company: Company) -> Iterator[str]:
    """An address that mail is led to: here it must exist, elsewhere it need only be an address."""
    if not is_mail_address(address):
        yield f"{where} leads to {address!r}: write an address such as ada@example.org"
        return
    local_part, _, domain = address.rpartition("@")
    if domain not in mapping(company["domains"]) or local_part in ("root", "postmaster", "abuse"):
        return
    options = mapping(mapping(company["domains"])[domain])
    taken_by_all = options.get("alias_of") is not None or (options.get("catch_all") not in (None, address))
    if not taken_by_all and address not in dict(own(company)):
        yield f"{where} leads to {address}, which nobody has: add the person or correct the address"


def repeated_domains(companies: list[Company]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for company in companies:
        for domain in mapping(company["domains"]):
            if domain in seen:
                yield (
                    f"company_domains: {domain} stands in {seen[domain]} and in {company['name']}, "
                    "so it has two home hosts: keep one"
                )
            seen.setdefault(domain, company["name"])


def repeated_addresses(companies: list[Company]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for company in companies:
        for address, owner in own(company):
            if address in seen:
                yield f"address {address} belongs to {seen[address]} and to {owner}: an address has one owner"
            seen.setdefault(address, owner)


def own(company: Company) -> Iterator[tuple[str, str]]:
    """Each address that a company receives under, with the words for its owner."""
    for person, options in mapping(company["people"]).items():
        known = mapping(options)
        if known.get("state") == "deleted":  # the addresses are free for others
            continue
        for address in [known.get("address"), *listing(known.get("aliases"))]:
            if isinstance(address, str):
                yield address, f"company_people of {company['name']}: {person}"
    for alias in mapping(company["aliases"]):
        yield alias, f"company_aliases of {company['name']}"


def unknown_options(where: str, options: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    for option in options:
        if option not in known:
            yield f"{where}: {option!r} is no option here: use {', '.join(sorted(known))}"


def is_no_text(value: Any) -> bool:
    return isinstance(value, bool | int | float)


def list_problems(where: str, options: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        value = options.get(name)
        if value is not None and not is_no_text(value) and not isinstance(value, list):
            yield f"{where}: {name} is {value!r}: write a list, such as [{value}]"
        for entry in value if isinstance(value, list) else ():
            if is_nested(entry):
                yield f"{where}: {name} has {entry!r}: write one word there, without brackets or braces"


def is_nested(value: Any) -> bool:
    return value is None or isinstance(value, list | Mapping)


def listing(value: Any) -> list[Any]:
    """The entries of a list that are single values; `list_problems` tells the others."""
    return [entry for entry in value if not is_nested(entry)] if isinstance(value, list) else []


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def listed(names: Mapping[str, Any]) -> str:
    return f" ({', '.join(names)})" if names else ""


def is_address(value: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(value).version == version
    except ValueError:
        return False


def is_mail_address(value: Any) -> bool:
    local_part, at, domain = str(value).rpartition("@")
    return bool(at and LOCAL_PART.match(local_part) and HOST_NAME.match(domain))


class FilterModule:
    """Registers the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {
            "postroom_problems": problems,
            "postroom_quota_bytes": quota_bytes,
        }
