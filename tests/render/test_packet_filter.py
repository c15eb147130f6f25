"""The packet filter of a host, as the role writes it."""

import importlib.util
from typing import Any

from agent_files import ROLES, ROOT
from jinja2 import Environment, FileSystemLoader, StrictUndefined


def packet_rules() -> Any:
    path = ROOT / "plugins/filter/packet_rules.py"
    specification = importlib.util.spec_from_file_location("packet_rules", path)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.rules


def rules(**variables: object) -> str:
    environment = Environment(
        loader=FileSystemLoader(ROLES / "host/templates"), undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["host_packet_rules"] = packet_rules()
    return environment.get_template("etc/nftables.conf.j2").render(ansible_managed="x", **variables)


def test_only_the_named_ports_are_open() -> None:
    said = rules(host_open_tcp_ports=[{"port": 22}, {"port": 25}], host_open_udp_ports=[])
    assert "policy drop" in said
    assert "tcp dport { 22, 25 } accept" in said
    assert "udp dport {" not in said


def test_a_host_keeps_an_address_that_it_has_by_dhcpv6() -> None:
    """The client asks a group and is answered by one server, which is no related packet for the kernel."""
    said = rules(host_open_tcp_ports=[{"port": 22}], host_open_udp_ports=[])
    assert "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept" in said
