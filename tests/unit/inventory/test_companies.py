"""Companies and hosts as they are read from the inventory's variables."""

from typing import Any

from .conftest import load

companies = load("plugins/filter/companies.py")

ALPHA: dict[str, Any] = {
    "company_id": "alpha",
    "company_name": "Alpha",
    "company_domains": {"alpha.example": {}},
    "host_ipv4": "192.0.2.1",
}
HOSTVARS: dict[str, dict[str, Any]] = {
    "mail2.alpha.example": ALPHA | {"host_ipv4": "192.0.2.2"},
    "mail1.alpha.example": ALPHA,
    "mail.beta.example": {"company_id": "beta", "company_name": "Beta", "company_domains": {}},
    "ns.example": {"host_ipv6": "2001:db8::53"},
}
MAIL = [host for host in HOSTVARS if host.startswith("mail")]


def test_hosts_of_one_company_are_one_entry() -> None:
    found = companies.companies(HOSTVARS, MAIL)
    assert [(company["id"], company["name"], company["hosts"]) for company in found] == [
        ("alpha", "Alpha", ["mail1.alpha.example", "mail2.alpha.example"]),
        ("beta", "Beta", ["mail.beta.example"]),
    ]
    assert found[0]["people"] is None
    assert found[0]["differing"] == {}


def test_two_companies_of_one_name_stay_two() -> None:
    other = ALPHA | {"company_id": "other"}
    found = companies.companies({"a.example": ALPHA, "b.example": other}, ["a.example", "b.example"])
    assert [company["hosts"] for company in found] == [["a.example"], ["b.example"]]


def test_what_differs_between_hosts_of_a_company_is_noted() -> None:
    other = ALPHA | {"company_domains": {}, "company_name": "Alfa"}
    (found,) = companies.companies({"a.example": ALPHA, "b.example": other}, ["a.example", "b.example"])
    assert found["differing"] == {key: ["a.example", "b.example"] for key in ("domains", "name")}


def test_a_shared_host_belongs_to_nobody() -> None:
    assert companies.hosts(HOSTVARS, list(HOSTVARS), MAIL)["ns.example"] == {
        "ipv4": "",
        "ipv6": "2001:db8::53",
        "private_ipv4": "",
        "company": "",
        "mail": False,
    }


def test_a_nameless_company_is_seen_so_that_it_can_be_judged() -> None:
    found = companies.companies(
        {"mail.x.example": {"company_domains": {"x.example": {}}}}, ["mail.x.example"]
    )
    assert (found[0]["id"], found[0]["name"], found[0]["untitled"]) == ("", "", True)
