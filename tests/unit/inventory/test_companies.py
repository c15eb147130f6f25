"""Companies and hosts as they are read from the inventory's variables."""

from .conftest import load

companies = load("plugins/filter/companies.py")

ALPHA = {"company_name": "Alpha", "company_domains": {"alpha.example": {}}, "host_ipv4": "192.0.2.1"}
HOSTVARS = {
    "mail2.alpha.example": ALPHA | {"host_ipv4": "192.0.2.2"},
    "mail1.alpha.example": ALPHA,
    "mail.beta.example": {"company_name": "Beta", "company_domains": {}},
    "ns.example": {"host_ipv6": "2001:db8::53"},
}


def test_hosts_of_one_company_are_one_entry() -> None:
    found = companies.companies(HOSTVARS, list(HOSTVARS))
    assert [(company["name"], company["hosts"]) for company in found] == [
        ("Alpha", ["mail1.alpha.example", "mail2.alpha.example"]),
        ("Beta", ["mail.beta.example"]),
    ]
    assert found[0]["people"] is None


def test_a_shared_host_belongs_to_nobody() -> None:
    assert companies.hosts(HOSTVARS, list(HOSTVARS))["ns.example"] == {
        "ipv4": "",
        "ipv6": "2001:db8::53",
        "company": "",
    }


def test_a_nameless_company_is_seen_so_that_it_can_be_judged() -> None:
    found = companies.companies(
        {"mail.x.example": {"company_domains": {"x.example": {}}}}, ["mail.x.example"]
    )
    assert found[0]["name"] == ""
