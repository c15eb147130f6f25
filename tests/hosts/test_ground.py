"""Name, journal and packet filter of every host."""

import re
from typing import Any

import pytest

from ..agents import PORTS

testinfra_hosts = ["ansible://postroom"]

MAIL_PORTS = set(PORTS.values())
OPEN = re.compile(r"tcp dport (?:\{ ([\d, ]+) \}|(\d+)) accept")


def test_the_host_runs_without_failed_units(host: Any) -> None:
    assert host.run("systemctl is-system-running --wait").stdout.strip() == "running"


def test_the_host_knows_its_full_name(host: Any, name: str) -> None:
    assert name == host.ansible.get_variables()["inventory_hostname"]


def test_the_journal_is_kept_and_complete(host: Any) -> None:
    assert host.check_output("ls /var/log/journal")
    settings = host.check_output("systemd-analyze cat-config systemd/journald.conf").splitlines()
    assert "Storage=persistent" in settings
    assert "RateLimitIntervalSec=0" in settings


def test_a_burst_of_messages_is_not_dropped(host: Any) -> None:
    host.check_output("seq -f 'burst line %g' 12000 | systemd-cat -t postroom-burst && journalctl --sync")
    found = host.check_output("journalctl -t postroom-burst -o cat --since -5min | sort -u | wc -l")
    assert int(found) == 12000


def test_only_the_listed_ports_are_open(host: Any, name: str) -> None:
    rules = host.check_output("nft list table inet postroom")
    assert "policy drop" in rules
    found = {int(port) for many, one in OPEN.findall(rules) for port in (many or one).split(", ")}
    assert found == ({22, 53} if name == "ns.example" else {22} | MAIL_PORTS)


def test_the_resolver_of_the_name_server_is_open_for_its_clients_alone(reach: Any) -> None:
    rules = reach("ns.example").check_output("nft list table inet postroom")
    lines = [line for line in rules.splitlines() if re.search(r"dport (\{ )?53\b", line)]
    assert len(lines) == 4
    assert all(re.search(r"ip6? saddr", line) for line in lines)


@pytest.mark.parametrize("family", ["-4", "-6"])
def test_a_closed_port_is_closed_and_ssh_is_not(host: Any, name: str, reach: Any, family: str) -> None:
    """Tried from outside: the name server knocks at each host."""
    listener = "systemd-run --quiet --unit=knock-%s --collect nc -l -k 9999"
    host.check_output(listener, family.strip("-"))
    try:
        other = "ns.example" if name != "ns.example" else "mail.alpha.example"
        outside = reach(other)
        assert outside.run("nc %s -z -w 30 %s 22", family, name).rc == 0
        assert outside.run("nc %s -z -w 2 %s 9999", family, name).rc != 0
    finally:
        host.run("systemctl stop knock-%s", family.strip("-"))
