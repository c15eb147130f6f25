"""The ports that the packet filter opens are those that the services listen on."""

from typing import Any

import pytest
import yaml

from ...agents import LISTENING, PORTS, SERVED_BY
from .conftest import ROOT, load

open_ports = load("plugins/filter/open_ports.py")

OPTIONS: dict[str, Any] = {}
for role in LISTENING:
    path = ROOT / f"roles/{role}/meta/argument_specs.yml"
    OPTIONS |= yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"]


def opened(**given: Any) -> list[int]:
    found: list[int] = open_ports.ports(open_ports.listeners(given, OPTIONS))
    return found


def test_the_usual_ports_are_open() -> None:
    assert opened() == sorted(PORTS.values()) == [25, 110, 143, 465, 587, 993, 995]


@pytest.mark.parametrize(
    ("name", "closed", "port"),
    [
        ("mta_listen_smtp", 25, 2525),
        ("msa_listen_submission", 587, 2587),
        ("msa_listen_submissions", 465, 2465),
        ("imap_listen_imap", 143, 1143),
        ("imap_listen_imaps", 993, 1993),
        ("pop3_listen_pop3", 110, 1110),
        ("pop3_listen_pop3s", 995, 1995),
    ],
)
def test_a_changed_port_is_opened_in_place_of_the_usual_one(name: str, closed: int, port: int) -> None:
    usual = set(opened())
    assert set(opened(**{name: [f"0.0.0.0:{port}", f"[::]:{port}"]})) == usual - {closed} | {port}
    assert set(opened(**{name: []})) == usual - {closed}
    assert set(opened(**{name: [f"127.0.0.1:{port}", f"[::1]:{port}"]})) == usual - {closed}
    assert set(opened(**{name: [f"0.0.0.0:{closed}", f"192.0.2.1:{port}"]})) == usual | {port}


def test_the_table_of_agents_names_every_socket_for_others() -> None:
    """Its usual ports are the roles' own, and no role has a socket that the table leaves out."""
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        role = path.parent.parent.name
        options = yaml.safe_load(path.read_text())["argument_specs"]["main"].get("options", {})
        defaults = {
            name.removeprefix(f"{role}_listen_"): open_ports.ports(option["default"])
            for name, option in options.items()
            if open_ports.LISTENER.match(name)
        }
        assert defaults == {service: [PORTS[service]] for service in PORTS if SERVED_BY[service] == role}, (
            role
        )


def test_ports_are_sorted_by_the_agents_that_open_them() -> None:
    found = open_ports.ports_of_agents(["mta", "imap"], {"imap_listen_imap": []}, OPTIONS)
    assert found == {"mta": [25], "imap": [993]}


def test_a_port_for_some_is_not_opened_twice() -> None:
    office = ["198.18.0.0/24"]
    found = open_ports.opened(
        {"ssh": [22], "mta": [25]}, [["resolver", [53], office]], [80, {"port": 25, "from": office}]
    )
    assert found == [
        {"port": 22, "for": "ssh"}, {"port": 25, "for": "mta"}, {"port": 53, "from": office, "for": "resolver"},
        {"port": 80, "for": "inventory"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("0.0.0.0@53", [53]),
        ("::@5353", [5353]),
        ("192.0.2.53", [53]),
        ("2001:db8::53", [53]),
        ("127.0.0.1@5353", []),
        ("::1", []),
        ("127.0.0.53:53", []),
        ("[::ffff:127.0.0.1]:25", []),
        ("[2001:db8::1]:25", [25]),
    ],
)
def test_forms_of_an_address(address: str, found: list[int]) -> None:
    assert open_ports.ports([address]) == found
