"""Records land in the right zone, and parents know their children."""

from typing import Any

import dns.zone

from .conftest import load

zones = load("plugins/filter/zones.py")
model = load("plugins/filter/records.py")

NAME_SERVERS = ["ns.example"]
EXTRA = [{"name": "."}, {"name": "example."}]


def made(company: dict[str, Any], hosts: dict[str, dict[str, str]]) -> dict[str, list[dict[str, Any]]]:
    records = model.records([company], hosts, {})
    found = zones.zones(records, [company], hosts, NAME_SERVERS, EXTRA)
    return {zone["name"]: zone["records"] for zone in found}


def test_a_record_lands_in_the_longest_matching_zone(
    company: dict[str, Any], hosts: dict[str, dict[str, str]]
) -> None:
    found = made(company, hosts)
    assert set(found) == {
        ".",
        "example.",
        "alpha.example.",
        "2.0.192.in-addr.arpa.",
        "0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
    }
    assert any(record["name"] == "mail.alpha.example." for record in found["alpha.example."])
    assert any(record["name"] == "ns.example." for record in found["example."])
    assert [record["name"] for record in found["2.0.192.in-addr.arpa."] if record["type"] == "PTR"]


def test_names_that_only_look_alike_are_left_out() -> None:
    assert zones.covering("notalpha.example.", ["alpha.example."]) is None
    assert zones.covering("alpha.example.", ["alpha.example."]) == "alpha.example."


def test_parents_delegate_with_keys_and_glue(
    company: dict[str, Any], hosts: dict[str, dict[str, str]]
) -> None:
    found = zones.zones(model.records([company], hosts, {}), [company], hosts, NAME_SERVERS, EXTRA)
    linked = {
        zone["name"]: zone["records"] for zone in zones.delegations(found, {"alpha.example.": ["1 13 2 ab"]})
    }
    parent = [(record["name"], record["type"], record["value"]) for record in linked["example."]]
    assert ("alpha.example.", "NS", "ns.example.") in parent
    assert ("alpha.example.", "DS", "1 13 2 ab") in parent
    root = [(record["name"], record["type"], record["value"]) for record in linked["."]]
    assert ("ns.example.", "A", "192.0.2.53") in root
    assert not [entry for entry in root if entry[1] == "DS"]


def test_linking_leaves_its_input_alone(company: dict[str, Any], hosts: dict[str, dict[str, str]]) -> None:
    found = zones.zones(model.records([company], hosts, {}), [company], hosts, NAME_SERVERS, EXTRA)
    before = [len(zone["records"]) for zone in found]
    zones.delegations(found, {})
    assert [len(zone["records"]) for zone in found] == before


def test_every_zone_is_a_zone(company: dict[str, Any], hosts: dict[str, dict[str, str]]) -> None:
    for name, records in made(company, hosts).items():
        lines = [
            f"{record['name']} {record['ttl']} IN {record['type']} {record['value']}" for record in records
        ]
        parsed = dns.zone.from_text("\n".join(lines), origin=name, relativize=False)
        assert parsed.get_soa().serial == 1


def test_without_name_servers_of_ours_there_is_no_apex(
    company: dict[str, Any], hosts: dict[str, dict[str, str]]
) -> None:
    found = zones.zones(model.records([company], hosts, {}), [company], hosts, [], [])
    assert {record["type"] for zone in found for record in zone["records"]}.isdisjoint({"SOA", "NS"})
