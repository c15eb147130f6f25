"""The ports that the packet filter opens are those that the services listen on."""

from typing import Any

import pytest
import yaml

from .conftest import ROOT, load

open_ports = load("plugins/filter/open_ports.py")

OPTIONS: dict[str, Any] = {}
for role in ("imap", "pop3", "mta", "msa"):
    path = ROOT / f"roles/{role}/meta/argument_specs.yml"
    OPTIONS |= yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"]


def opened(**given: Any) -> list[int]:
    found: list[int] = open_ports.ports(open_ports.listeners(given, OPTIONS))
    return found


def test_the_usual_ports_are_open() -> None:
    assert opened() == [25, 110, 143, 465, 587, 993, 995]


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


def test_every_listener_of_a_role_is_looked_at() -> None:
    """A new agent with a socket for others must be named in wiring.yml."""
    wiring = (ROOT / "playbooks/wiring.yml").read_text()
    (line,) = [line for line in wiring.splitlines() if "query('ansible.builtin.file'" in line]
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        agent = path.parent.parent.name
        options = yaml.safe_load(path.read_text())["argument_specs"]["main"].get("options", {})
        if any(open_ports.LISTENER.match(name) for name in options):
            assert f"'{agent}'" in line, f"wiring.yml: postroom_listener_options leaves {agent} out"


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
