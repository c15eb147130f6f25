"""Every kind of wrong inventory is told, with the variable, its value and a remedy."""

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from .conftest import ROOT, load

problems = load("plugins/filter/problems.py")
unknown = load("plugins/filter/unknown_variables.py")

Company = dict[str, Any]
Hosts = dict[str, dict[str, Any]]


def test_an_inventory_in_order_has_no_problems(company: Company, hosts: Hosts) -> None:
    assert problems.problems([company], hosts) == []


def person(**changes: Any) -> Callable[[Company, Hosts], None]:
    return lambda company, hosts: company["people"]["ada"].update(changes)


def domain(**changes: Any) -> Callable[[Company, Hosts], None]:
    return lambda company, hosts: company["domains"]["alpha.example"].update(changes)


def top(**changes: Any) -> Callable[[Company, Hosts], None]:
    return lambda company, hosts: company.update(changes)


def host(**changes: Any) -> Callable[[Company, Hosts], None]:
    return lambda company, hosts: hosts["mail.alpha.example"].update(changes)


SPOILT: list[tuple[str, Callable[[Company, Hosts], None], list[str]]] = [
    (
        "unknown domain",
        person(address="ada@alfa.example"),
        ["address", "ada@alfa.example", "company_domains"],
    ),
    ("unknown domain in an alias", person(aliases=["x@alfa.example"]), ["aliases", "x@alfa.example"]),
    ("same address twice", person(aliases=["mary@alpha.example"]), ["mary@alpha.example", "one owner"]),
    ("address and group alias", person(aliases=["team@alpha.example"]), ["team@alpha.example", "one owner"]),
    ("no address at all", person(address="ada"), ["address", "'ada'", "ada@example.org"]),
    ("subaddress", person(address="ada+x@alpha.example"), ["ada+x@alpha.example", "without a +"]),
    ("upper case", person(address="Ada@alpha.example"), ["Ada@alpha.example", "lower case"]),
    ("bad quota", person(quota="two gigabytes"), ["quota", "two gigabytes", "a number and a unit"]),
    ("negative quota", person(quota="-5 MB"), ["quota", "-5 MB"]),
    ("zero quota", person(quota="0"), ["quota", "'0'"]),
    ("quota without a unit", person(quota=500), ["quota", "500", "a unit"]),
    ("aliases that are no list", person(aliases="x@alpha.example"), ["aliases", "[x@alpha.example]"]),
    ("exchangers that are no list", domain(mx="mail.alpha.example"), ["mx", "[mail.alpha.example]"]),
    ("administrator who left", person(state="deleted"), ["company_administrator", "'ada'", "deleted"]),
    (
        "umlaut in an address",
        person(address="j\u00fcrgen@alpha.example"),
        ["address", "j\u00fcrgen@alpha.example"],
    ),
    ("mistyped option", person(qouta="2 GB"), ["'qouta'", "quota"]),
    ("no name", person(name=""), ["name is missing"]),
    ("unknown state", person(state="retired"), ["state", "retired", "disabled"]),
    ("limit in words", person(messages_per_day="many"), ["messages_per_day", "many", "a number"]),
    ("sender that is no address", person(send_as=["info"]), ["send_as", "info@example.org"]),
    ("no home", domain(home=None), ["alpha.example", "home is missing"]),
    ("unknown home", domain(home="mx.alpha.example"), ["mx.alpha.example", "mail.alpha.example"]),
    ("two homes", domain(home=["mail.alpha.example", "ns.example"]), ["exactly one home host"]),
    ("foreign home", domain(home="ns.example"), ["ns.example", "not in mail_hosts"]),
    ("alias of nothing", domain(alias_of="beta.example"), ["alias_of", "beta.example"]),
    ("catch-all to nobody", domain(catch_all="none@alpha.example"), ["catch_all", "none@alpha.example"]),
    ("wrong policy", domain(dmarc={"policy": "refuse"}), ["dmarc.policy", "refuse", "reject"]),
    ("weak key of a domain", domain(dkim_rsa_bits=1024), ["dkim_rsa_bits", "1024", "2048"]),
    ("weak key", top(dkim_rsa_bits=1024), ["company_dkim_rsa_bits", "1024", "2048"]),
    ("key size in words", top(dkim_rsa_bits="2048"), ["company_dkim_rsa_bits", "'2048'"]),
    ("no administrator", top(administrator=None), ["company_administrator", "missing"]),
    ("unknown administrator", top(administrator="bob"), ["company_administrator", "'bob'", "ada"]),
    ("no domains", top(domains={}), ["company_domains", "at least one"]),
    (
        "alias to nobody",
        top(aliases={"x@alpha.example": ["bob@alpha.example"]}),
        ["bob@alpha.example", "nobody has"],
    ),
    ("empty alias", top(aliases={"x@alpha.example": []}), ["x@alpha.example", "list of addresses"]),
    ("unknown service", top(client_services=["gopher"]), ["company_client_services", "gopher", "imaps"]),
    ("host without address", host(ipv4="", ipv6=""), ["mail.alpha.example", "host_ipv4", "missing"]),
    ("no IPv4 address", host(ipv4="192.0.2.300"), ["host_ipv4", "192.0.2.300", "IPv4"]),
    ("wrong family", host(ipv6="192.0.2.7"), ["host_ipv6", "192.0.2.7", "IPv6"]),
    (
        "several administrators",
        top(administrator=["ada", "mary"]),
        ["company_administrator", "['ada', 'mary']", "ada"],
    ),
    ("several alias targets", domain(alias_of=["alpha.example"]), ["alias_of", "['alpha.example']"]),
    (
        "exchangers in braces",
        domain(mx=[{"mail.alpha.example": 10}]),
        ["mx has", "without brackets or braces"],
    ),
    ("name in brackets", person(name=["Ada"]), ["name is ['Ada']", "without brackets"]),
    ("address of two hosts", host(ipv4="192.0.2.53"), ["host_ipv4", "192.0.2.53", "ns.example"]),
]


@pytest.mark.parametrize(("spoil", "words"), [case[1:] for case in SPOILT], ids=[case[0] for case in SPOILT])
def test_one_mistake_is_told_with_value_and_remedy(
    company: Company, hosts: Hosts, spoil: Callable[[Company, Hosts], None], words: list[str]
) -> None:
    spoil(company, hosts)
    found = problems.problems([company], hosts)
    assert any(all(word in sentence for word in words) for sentence in found), found


def test_addresses_of_a_deleted_person_are_free_and_lead_nowhere(company: Company, hosts: Hosts) -> None:
    company["people"]["mary"]["state"] = "deleted"
    company["people"]["bob"] = {"name": "Bob", "address": "mary@alpha.example"}
    assert problems.problems([company], hosts) == []
    company["aliases"]["x@alpha.example"] = ["mary@alpha.example"]
    del company["people"]["bob"]
    (found,) = problems.problems([company], hosts)
    assert "mary@alpha.example, which nobody has" in found


def test_variables_that_nothing_reads_are_typing_mistakes() -> None:
    names = [
        "company_peopel",
        "mta_max_mesage_bytes",
        "mta_workers",
        "company_name",
        "site_x",
        "inventory_dir",
    ]
    found = unknown.unknown_variables(names, ["mta_max_message_bytes", "mta_workers"], ["mta"])
    assert [line.split()[0] for line in found] == ["company_peopel", "mta_max_mesage_bytes", "site_x"]
    assert "company_people?" in found[0]
    assert "mta_max_message_bytes?" in found[1]


def test_the_variables_of_companies_and_of_the_site_are_those_that_are_read() -> None:
    assert load("plugins/filter/companies.py").COMPANY_KEYS == unknown.COMPANY_VARIABLES
    playbooks = [path.read_text() for path in sorted((ROOT / "playbooks").glob("*.yml"))]
    read = set(re.findall(r"\bsite_[a-z_]+", "".join(playbooks)))
    assert read == unknown.SITE_VARIABLES


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("domains", "alpha.example"),
        ("people", ["ada"]),
        ("aliases", [["a", "b"]]),
        ("client_services", "imaps"),
    ],
)
def test_wrong_types_of_whole_variables(company: Company, hosts: Hosts, variable: str, value: Any) -> None:
    company[variable] = value
    assert any(
        line.startswith(f"company_{variable} of Alpha") and repr(value) in line
        for line in problems.problems([company], hosts)
    )


def test_all_mistakes_are_told_at_once(company: Company, hosts: Hosts) -> None:
    company["people"]["ada"]["quota"] = "much"
    company["administrator"] = "bob"
    hosts["mail.alpha.example"].update(ipv4="", ipv6="")
    assert len(problems.problems([company], hosts)) == 3


def test_a_domain_of_two_companies_has_two_homes(company: Company, hosts: Hosts) -> None:
    other = deepcopy(company) | {
        "id": "beta",
        "name": "Beta",
        "people": {},
        "aliases": {},
        "administrator": "",
    }
    found = problems.problems([company, other], hosts)
    assert any("alpha.example" in line and "two home hosts" in line for line in found)


def test_an_address_in_another_companys_domain_is_told_so(company: Company, hosts: Hosts) -> None:
    other = deepcopy(company) | {
        "id": "beta",
        "name": "Beta",
        "domains": {"beta.example": {"home": "mail.alpha.example"}},
    }
    found = problems.problems([company, other], hosts)
    assert any("a domain of another company" in line for line in found)


def test_a_mail_host_without_a_company_is_a_problem(hosts: Hosts) -> None:
    (said,) = problems.problems([], hosts)
    assert said.startswith("mail.alpha.example is in mail_hosts, but has no company_* variables")


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        ("2 GB", 2 * 10**9),
        ("500MB", 500 * 10**6),
        ("1 GiB", 2**30),
        (1024, 1024),
        ("10 K", 10_000),
        ("3 T", 3 * 10**12),
    ],
)
def test_quota_in_octets(value: Any, octets: int) -> None:
    assert problems.quota_bytes(value) == octets


@pytest.mark.parametrize("value", ["", "GB", "1.5 GB", "2 gb", "2 GB extra", None, True, [], -1])
def test_no_quota(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        problems.quota_bytes(value)


def test_people_without_an_address_do_not_share_one(company: Company, hosts: Hosts) -> None:
    company["people"]["ada"]["address"] = company["people"]["mary"]["address"] = None
    found = problems.problems([company], hosts)
    assert not any("one owner" in sentence for sentence in found), found


FULL: Company = {
    "company_name": "Alpha",
    "company_administrator": "ada",
    "company_domains": {
        "alpha.example": {
            "home": "mail.alpha.example",
            "mx": ["mail.alpha.example"],
            "catch_all": "ada@alpha.example",
            "dmarc": {"policy": "none", "subdomain_policy": "none", "reports": "ada@alpha.example"},
            "spf_include": ["spf.example"],
            "dkim_rsa_bits": 2048,
            "separator": "+",
        },
        "other.example": {"home": "mail.alpha.example", "alias_of": "alpha.example"},
    },
    "company_people": {
        "ada": {
            "name": "Ada",
            "address": "ada@alpha.example",
            "aliases": ["a@alpha.example"],
            "quota": "5 GB",
            "enabled": True,
            "state": "active",
            "send_as": ["x@alpha.example"],
            "messages_per_day": 5,
        }
    },
    "company_aliases": {"t@alpha.example": ["ada@alpha.example"]},
    "company_client_services": ["imaps"],
    "company_dkim_rsa_bits": 2048,
    "host_ipv4": "192.0.2.1",
    "host_ipv6": "2001:db8::1",
}


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if way:
        yield way
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*way, key))


@pytest.mark.parametrize("way", list(places(FULL)), ids=lambda way: ".".join(map(str, way)))
def test_a_value_of_any_kind_at_any_place_is_judged(way: tuple[Any, ...]) -> None:
    companies = load("plugins/filter/companies.py")
    for odd in (None, True, 0, -1.5, "", "x", [], [None], [["x"]], [{"a": 1}], {}, {"a": "b"}, {None: 1}):
        spoilt = deepcopy(FULL)
        inner = spoilt
        for key in way[:-1]:
            inner = inner[key]
        inner[way[-1]] = odd
        hostvars = {"mail.alpha.example": spoilt}
        read = companies.companies(hostvars, list(hostvars))
        found = problems.problems(read, companies.hosts(hostvars, list(hostvars), list(hostvars)))
        assert all(isinstance(sentence, str) for sentence in found)


def test_a_changed_id_is_refused_before_new_passwords_are_drawn(company: Company) -> None:
    renamed = load("plugins/filter/company_identities.py").renamed_problems
    vault = {"companies": {"alpha": {"first_passwords": {"ada": "x", "mary": "x"}}}}
    assert renamed([company], vault) == []
    (said,) = renamed([{**company, "id": "alfa"}], vault)
    assert said.startswith("company_id 'alfa' is new, and 'alpha' with the same people is gone")
    assert renamed([{**company, "id": "beta", "people": {"grace": {}}}], vault) == []
    assert renamed([company, {**company, "id": "beta"}], vault) == []
    old = {"companies": {"Alpha": vault["companies"]["alpha"]}}
    assert renamed([company], old) == []
