"""What is told about hosts before the first change, from what was seen on them."""

from typing import Any

import pytest

from .conftest import ROOT, load

judge = load("plugins/filter/host_sentences.py")
survey_module = load("plugins/modules/host_survey.py")

NOW = 1_800_000_000.0
DEBIAN = {"distribution": "Debian", "distribution_version": "12.7", "distribution_major_version": "12"}
WANTED = {"ipv4": "198.18.0.1", "ipv6": "2001:678::1", "private_ipv4": ""}


def survey(**changes: Any) -> dict[str, Any]:
    return {
        "memory_mib": 2000,
        "free_mib": {"/var": 9000, "/opt": 9000},
        "time": NOW,
        "addresses": ["127.0.0.1", "198.18.0.1", "2001:678::1", "::1"],
        "listening": [listener(22, "0.0.0.0", "ssh.service")],
        "resolv_conf": {"link": "", "writers": [], "text": ""},
        **changes,
    }


def listener(port: int, address: str, unit: str, protocol: str = "tcp") -> dict[str, Any]:
    return {"protocol": protocol, "address": address, "port": port, "unit": unit, "program": ""}


def problems(seen: dict[str, Any], facts: dict[str, str] = DEBIAN, **wanted: str) -> list[str]:
    found: list[str] = judge.host_problems(seen, facts, WANTED | wanted, NOW)
    return found


def test_a_host_in_order_is_silent() -> None:
    assert problems(survey()) == judge.host_advice(survey(), NOW) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"memory_mib": 240}, "the host has 240 MiB of memory: give it 1 GiB"),
        ({"free_mib": {"/var": 50}}, "/var has 50 MiB left: make room, 2000 MiB or more"),
        ({"time": NOW - 3 * 86_400}, "the clock of the host is wrong by 3 days: set it"),
        (
            {"addresses": ["127.0.0.1", "198.18.0.7", "2001:678::1"]},
            "host_ipv4 is 198.18.0.1, which is on no interface of the host (it has 198.18.0.7): correct it; "
            "behind NAT, give the host's own address as host_private_ipv4",
        ),
        (
            {"addresses": ["198.18.0.1", "::1", "fe80::1"]},
            "host_ipv6 is 2001:678::1, which is on no interface of the host (it has none): correct it",
        ),
    ],
)
def test_what_stops_the_run(changes: dict[str, Any], said: str) -> None:
    assert problems(survey(**changes)) == [said]


def test_only_debian_12_and_13_will_do() -> None:
    old = {**DEBIAN, "distribution_version": "11.9", "distribution_major_version": "11"}
    assert problems(survey(), old) == ["the host runs Debian 11.9: use Debian 12 or 13"]
    other = {"distribution": "Ubuntu", "distribution_version": "12.04", "distribution_major_version": "12"}
    assert problems(survey(), other) == ["the host runs Ubuntu 12.04: use Debian 12 or 13"]


def test_behind_nat_the_private_address_counts() -> None:
    inside = survey(addresses=["10.0.0.5", "2001:678::1"])
    assert problems(inside, private_ipv4="10.0.0.5") == []
    (said,) = problems(inside, private_ipv4="10.0.0.6")
    assert said.startswith("host_private_ipv4 is 10.0.0.6, which is on no interface")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"memory_mib": 600}, "600 MiB of memory"),
        ({"free_mib": {"/opt": 1000}}, "/opt has 1000 MiB left"),
        ({"time": NOW + 600}, "wrong by 600 seconds"),
    ],
)
def test_what_is_advice_only(changes: dict[str, Any], said: str) -> None:
    assert problems(survey(**changes)) == []
    (found,) = judge.host_advice(survey(**changes), NOW)
    assert said in found


@pytest.mark.parametrize(
    ("wanted", "address", "taken"),
    [
        ("0.0.0.0:25", "0.0.0.0", True),
        ("0.0.0.0:25", "127.0.0.1", True),
        ("0.0.0.0:25", "::", True),  # it may take IPv4 too
        ("[::]:25", "::", True),
        ("[::]:25", "::1", True),
        ("[::]:25", "0.0.0.0", False),
        ("198.18.0.1:25", "127.0.0.1", False),
        ("198.18.0.1:25", "198.18.0.1", True),
        ("0.0.0.0:26", "0.0.0.0", False),
    ],
)
def test_a_port_is_taken_where_two_sockets_would_meet(wanted: str, address: str, taken: bool) -> None:
    seen = survey(listening=[listener(25, address, "exim4.service")])
    right = ["TCP port 25 is taken by exim4.service: stop and disable it, or listen elsewhere"]
    assert judge.taken_ports(seen, [wanted], "tcp") == (right if taken else [])
    assert judge.taken_ports(seen, [wanted], "udp") == []


@pytest.mark.parametrize("unit", ["postroom-mta-smtp.socket", "postroom-mta.service"])
def test_our_own_sockets_are_in_nobodys_way(unit: str) -> None:
    assert judge.taken_ports(survey(listening=[listener(25, "0.0.0.0", unit)]), ["0.0.0.0:25"], "tcp") == []


def test_a_mail_server_that_the_run_replaces_may_hold_its_port() -> None:
    seen = survey(listening=[listener(25, "127.0.0.1", "exim4.service")])
    assert judge.taken_ports(seen, ["0.0.0.0:25"], "tcp", ["exim4-daemon-light"]) == []
    assert judge.taken_ports(seen, ["0.0.0.0:25"], "tcp", ["postfix"]) != []


def test_the_port_of_dns_is_looked_at_in_its_own_form() -> None:
    stub = survey(listening=[listener(53, "127.0.0.53", "systemd-resolved.service", "udp")])
    assert judge.taken_ports(stub, ["127.0.0.1", "::1"], "udp") == []
    other = survey(listening=[listener(53, "0.0.0.0", "dnsmasq.service", "udp")])
    (said,) = judge.taken_ports(other, ["127.0.0.1", "::1"], "udp")
    assert said.startswith("UDP port 53 is taken by dnsmasq.service")
    assert judge.taken_ports(other, ["127.0.0.1@5353"], "udp") == []


def test_who_else_writes_the_resolvers_file_is_advice() -> None:
    seen = {"link": "", "writers": ["NetworkManager.service"], "text": ""}
    (said,) = judge.resolver_advice(seen, True)
    assert said.startswith("NetworkManager.service also writes /etc/resolv.conf")
    assert judge.resolver_advice(seen, False) == judge.resolver_advice({**seen, "writers": []}, True) == []


def test_sentences_of_all_roles_and_hosts_are_gathered() -> None:
    hostvars = {
        "a.example": {
            "host_preflight_problems": ["one"],
            "msa_preflight_problems": ["two"],
            "host_preflight_advice": ["x"],
        },
        "b.example": {"host_preflight_problems": []},
    }
    names = list(hostvars)
    assert judge.all_sentences(hostvars, names, "problems") == ["a.example: one", "a.example: two"]
    assert judge.all_sentences(hostvars, names, "advice") == ["a.example: x"]


def test_the_survey_reads_addresses_as_the_kernel_writes_them() -> None:
    assert survey_module.hosts_address("0100007F") == "127.0.0.1"
    assert survey_module.hosts_address("00000000000000000000000001000000") == "::1"


def test_every_preflight_leaves_its_sentences_under_its_roles_name() -> None:
    found = {
        path.parent.parent.name: path.read_text() for path in (ROOT / "roles").glob("*/tasks/preflight.yml")
    }
    assert {"host", "resolver", "dns", "agent", "msa", "relay"} <= set(found)
    for role, text in found.items():
        assert f"{role}_preflight_problems" in text or f"{role}_preflight_advice" in text
        assert "ansible.builtin.fail" not in text, "all hosts are looked at before one of them is refused"
