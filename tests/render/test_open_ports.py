"""From a setting in the inventory to the packet filter's rules, by the kit's own wiring and Ansible's engine."""

from typing import Any

from agent_files import ROLES, ROOT, TABLE, load, ready
from ansible.plugins.loader import filter_loader
from ansible.template import Templar, trust_as_template


def rules(host: str, **given: Any) -> list[str]:
    """The lines of the packet filter that accept a TCP or UDP port."""
    ready()
    filter_loader.add_directory(str(ROOT / "plugins/filter"))
    variables = {
        "inventory_hostname": host,
        "playbook_dir": str(ROOT / "playbooks"),
        "postroom_agents": TABLE,
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


SSH = 'tcp dport { 22 } accept comment "ssh"'


def test_a_mail_host_opens_what_its_agents_listen_on() -> None:
    assert rules("mail.a.example") == [
        SSH,
        'tcp dport { 143, 993 } accept comment "imap"',
        'tcp dport { 110, 995 } accept comment "pop3"',
        'tcp dport { 25 } accept comment "mta"',
        'tcp dport { 465, 587 } accept comment "msa"',
    ]


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
    assert said == [
        'tcp dport { 22, 2222 } accept comment "ssh"',
        'tcp dport { 993 } accept comment "imap"',
        'tcp dport { 25, 2525 } accept comment "mta"',
        'tcp dport { 587, 2465 } accept comment "msa"',
    ]


def test_a_name_server_opens_where_it_listens() -> None:
    dns = ['tcp dport { 53 } accept comment "dns"', 'udp dport { 53 } accept comment "dns"']
    assert rules("ns.example") == [SSH, *dns]
    assert rules("ns.example", site_dns_listen=["0.0.0.0@5300"]) == [
        SSH,
        *(line.replace("53", "5300") for line in dns),
    ]
    assert rules("ns.example", site_dns_listen=["127.0.0.1@5353"]) == [SSH]


def test_a_resolver_that_serves_others_is_open_for_its_clients() -> None:
    clients = ["192.0.2.0/24", "2001:db8::/64"]
    said = rules("web.example", site_resolver_listen=["192.0.2.7"], site_resolver_clients=clients)
    assert said == [
        SSH,
        *(
            f'{source} {protocol} dport {{ 53 }} accept comment "resolver"'
            for protocol in ("tcp", "udp")
            for source in ("ip saddr { 192.0.2.0/24 }", "ip6 saddr { 2001:db8::/64 }")
        ),
    ]
    assert rules("web.example") == [SSH]


def test_ports_of_the_site_and_of_a_host_are_added() -> None:
    office = ["198.18.0.0/25", "198.18.0.128/25"]
    said = rules(
        "ns.example",
        site_dns_listen=[],
        site_open_tcp_ports=[80, 443],
        host_extra_tcp_ports=[{"port": 9100, "from": office}, {"port": 80, "from": office}],
        host_extra_udp_ports=[51820],
    )
    assert said == [
        SSH,
        'tcp dport { 80, 443 } accept comment "inventory"',
        'ip saddr { 198.18.0.0/24 } tcp dport { 9100 } accept comment "inventory"',
        'udp dport { 51820 } accept comment "inventory"',
    ]
