"""From a setting in the inventory to the packet filter's rules, by the kit's own wiring and Ansible's engine."""

from typing import Any

from agent_files import ROLES, ROOT, load, ready
from ansible.plugins.loader import filter_loader
from ansible.template import Templar, trust_as_template


def rules(host: str, **given: Any) -> list[str]:
    """The lines of the packet filter that accept a TCP or UDP port."""
    ready()
    filter_loader.add_directory(str(ROOT / "plugins/filter"))
    variables = {
        "inventory_hostname": host,
        "playbook_dir": str(ROOT / "playbooks"),
        "groups": {"mail_hosts": ["mail.a.example"], "name_servers": ["ns.example"]},
        "hostvars": {host: given},
        "ansible_managed": "Ansible managed",
        **load(ROOT / "playbooks/wiring.yml"),
        **given,
    }
    templar = Templar(loader=ready(), variables=variables)
    template = trust_as_template((ROLES / "host/templates/etc/nftables.conf.j2").read_text())
    lines = str(templar.template(template)).splitlines()
    return [line.strip() for line in lines if " dport { " in line]


def test_a_mail_host_opens_what_its_agents_listen_on() -> None:
    assert rules("mail.a.example") == ["tcp dport { 22, 25, 110, 143, 465, 587, 993, 995 } accept"]


def test_changed_ports_are_opened_and_the_usual_ones_closed() -> None:
    said = rules(
        "mail.a.example",
        ansible_port=2222,
        mta_listen_smtp=["0.0.0.0:25", "0.0.0.0:2525"],
        pop3_listen_pop3=[],
        pop3_listen_pop3s=[],
        imap_listen_imap=["127.0.0.1:143"],
        msa_listen_submissions=["[::]:2465"],
    )
    assert said == ["tcp dport { 22, 25, 587, 993, 2222, 2465, 2525 } accept"]


def test_a_name_server_opens_where_it_listens() -> None:
    dns = ["tcp dport { 22, 53 } accept", "udp dport { 53 } accept"]
    assert rules("ns.example") == dns
    other = ["tcp dport { 22, 5300 } accept", "udp dport { 5300 } accept"]
    assert rules("ns.example", site_dns_listen=["0.0.0.0@5300"]) == other
    assert rules("ns.example", site_dns_listen=["127.0.0.1@5353"]) == ["tcp dport { 22 } accept"]


def test_a_resolver_that_serves_others_can_be_reached() -> None:
    said = rules("web.example", site_resolver_listen=["192.0.2.7"], site_resolver_clients=["192.0.2.0/24"])
    assert said == ["tcp dport { 22, 53 } accept", "udp dport { 53 } accept"]
    assert rules("web.example") == ["tcp dport { 22 } accept"]
