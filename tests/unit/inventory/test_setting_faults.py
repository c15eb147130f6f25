"""Settings in an inventory: each fault is one sentence with variable, value and remedy."""

from typing import Any

import pytest
import yaml

from ...agents import AGENTS
from .conftest import ROOT, load

settings = load("plugins/filter/setting_faults.py")
problems = load("plugins/filter/unknown_variables.py")

SPECS: dict[str, Any] = {}
for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
    if path.parent.parent.name != "agent":
        SPECS |= yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"]
WIRED = yaml.safe_load((ROOT / "playbooks/wiring.yml").read_text())
WIRED |= yaml.safe_load((ROOT / "roles/agent/meta/argument_specs.yml").read_text())["argument_specs"]["main"][
    "options"
]


def faults(**given: Any) -> list[str]:
    found: list[str] = settings.faults(
        {"mail.example.org": given}, ["mail.example.org"], SPECS, WIRED, AGENTS
    )
    return found


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("mta_max_recipients", 5, "give at least 100 (RFC 5321 4.5.3.1.8)"),
        ("mta_max_recipients", "200", "give a whole number, without quotes"),
        ("mta_max_recipients", True, "give a whole number, without quotes"),
        ("mta_max_recipients", [200], "give a whole number, without quotes"),
        ("mta_max_recipients", None, "give a whole number, without quotes"),
        ("mta_max_message_bytes", 1000, "give at least 65536"),
        ("mta_honour_dmarc", "maybe", "give true or false"),
        ("mta_workers", 65, "give 0 to 64"),
        ("relay_workers", 0, "give 1 to 64"),
        ("imap_max_line_before_login", 65537, "give 1024 to 65536: strangers get no more memory"),
        ("imap_log_level", "loud", "give one of debug, info, warning, error"),
        ("imap_memory_max", "plenty", "give a size such as 500M or 2G"),
        ("imap_memory_max", 1000, "give text"),
        ("msa_messages_per_day", 0, "give a positive number"),
        ("msa_trusted_clients", ["192.0.2.0/33"], "give a network such as 192.0.2.0/24"),
        ("msa_replace_mail_server", "yes please", "give true or false"),
        ("relay_resolver", "localhost", "give ADDRESS:PORT, such as 127.0.0.1:53"),
        ("relay_max_deliveries", 0, "give a positive number"),
        ("relay_expire_after", 432_000_000, "give seconds, at most a year"),
        ("relay_connect_timeout", -1, "give a positive number"),
        ("mda_max_connections", 0, "give a positive number"),
        ("mda_drain_seconds", -1, "give 0 to 3600 seconds"),
        ("pop3_open_accounts", 0, "give a positive number"),
        ("pop3_idle_timeout", "10 minutes", "give a number, without quotes"),
        ("auth_failure_delay_maximum", 60, "give failure_delay to 30"),
        ("auth_threads", 0, "give 1 to 64"),
        ("auth_max_pending", 0, "give a positive number"),
        ("tls_days", 4000, "give 1 to 825 days"),
        ("tls_renew_days", 500, "give less than tls_days, 397"),
        ("release_keep", 0, "give 1 to 100 releases"),
        ("host_packet_filter", "on", "give true or false"),
        ("host_journal_max_use", "2 GB", "give a size such as 500M or 2G"),
        ("site_resolver_forwarders", ["dns.example.org"], "give ADDRESS or ADDRESS@PORT"),
        ("site_resolver_clients", ["here"], "give a network such as 192.0.2.0/24"),
        ("site_resolver_cache_seconds", -1, "give 0 to 86400 seconds"),
        ("site_private_root", "true", "give true or false"),
        ("site_private_zones", ["10.in-addr.arpa"], "give a zone's name with its dot at the end"),
    ],
)
def test_a_bad_setting_is_one_sentence(name: str, value: Any, remedy: str) -> None:
    (said,) = faults(**{name: value})
    shown = value[0] if isinstance(value, list) and "whole" not in remedy else value
    assert said.startswith(f"{name} is {shown!r}: ")
    assert remedy in said
    assert "\n" not in said


WRONG: dict[str, list[Any]] = {
    "int": ["x", "1", {}, [], None, 1.5, True, -1],
    "float": ["x", "1", {}, [], None, True, -1],
    "bool": ["x", "true", 1, None],
    "str": [1, {}, [], None],
    "path": [1, None],
    "list": ["x", 1, {}, None, [1], [None]],
}


@pytest.mark.parametrize("name", sorted(set(SPECS) - set(WIRED)))
def test_every_variable_of_the_roles_is_judged(name: str) -> None:
    entries_elsewhere = SPECS[name].get("elements") == "raw"  # open_ports.py judges them
    for value in WRONG[SPECS[name]["type"]]:
        if entries_elsewhere and isinstance(value, list):
            continue
        (said,) = faults(**{name: value})
        assert said.startswith(name)
        assert ": give " in said


@pytest.mark.parametrize(
    "value", ["25", "192.0.2.1", "2001:db8::1:25", "[192.0.2.1]:25", "0.0.0.0:0", "*:25"]
)
def test_a_listener_is_an_address_with_a_port(value: str) -> None:
    (said,) = faults(mta_listen_smtp=["0.0.0.0:25", value])
    assert said.startswith(f"mta_listen_smtp is {value!r}: give ADDRESS:PORT")


def test_defaults_are_sound() -> None:
    given: dict[str, Any] = {}
    for role in ("host", "tls", "release", *AGENTS):
        given |= yaml.safe_load((ROOT / f"roles/{role}/defaults/main.yml").read_text())
    assert faults(**{name: value for name, value in given.items() if name not in WIRED}) == []


def test_the_inventories_of_the_kit_are_sound() -> None:
    for path in sorted((ROOT / "inventory").glob("*/group_vars/**/*.yml")):
        if path.name != "secrets.yml":
            here = {
                "{{ host_ipv4 }}": "192.0.2.1",
                "{{ host_ipv6 }}": "2001:db8::1",
            }  # as Ansible would say them
            text = path.read_text()
            for words, address in here.items():
                text = text.replace(words, address)
            assert faults(**yaml.safe_load(text)) == [], path


def test_all_faults_are_told_and_each_once() -> None:
    given = {"mta_max_errors": 0, "imap_workers": -1, "pop3_workers": "two"}
    found = settings.faults({"a": given, "b": given}, ["a", "b"], SPECS, WIRED, list(AGENTS))
    assert [line.split()[0] for line in found] == ["pop3_workers", "imap_workers", "mta_max_errors"]


def test_settings_that_do_not_go_together() -> None:
    (said,) = faults(relay_retry_minimum=500, relay_retry_maximum=400)
    assert said == "relay_retry_minimum is 500: give 0 < minimum <= maximum"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("resolver_forwarders", "use site_resolver_forwarders"),
        ("mta_host_name", "take it out"),
        ("relay_dkim_keys", "take it out"),
        ("release_prefix", "take it out"),
        ("agent_release_prefix", "take it out"),
        ("agent_groups", "take it out"),
    ],
)
def test_what_the_kit_sets_itself_is_refused(name: str, remedy: str) -> None:
    (said,) = faults(**{name: "mine"})
    assert said.startswith(f"{name} is set by the kit itself")
    assert remedy in said


def test_a_template_that_fails_is_told_by_its_variable() -> None:
    class Given(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            if name == "mta_max_errors":
                raise ValueError("'nope' is\n undefined")
            return super().__getitem__(name)

    given = Given(mta_max_errors=None, mta_workers=-1)
    found = settings.faults({"a": given}, ["a"], SPECS, WIRED, list(AGENTS))
    assert found[0] == "mta_max_errors cannot be computed: 'nope' is undefined: correct its template"
    assert [line.split()[0] for line in found] == ["mta_max_errors", "mta_workers"]


def test_a_resolver_that_serves_others_knows_whom() -> None:
    (said,) = faults(site_resolver_listen=["192.0.2.53"])
    assert said.startswith("site_resolver_listen is ['192.0.2.53']: give site_resolver_clients")
    assert faults(site_resolver_listen=["192.0.2.53"], site_resolver_clients=["192.0.2.0/24"]) == []
    (said,) = faults(site_resolver_listen=["192.0.2.53"], site_resolver_clients=["here"])
    assert said.startswith("site_resolver_clients")


def test_certificates_of_ones_own() -> None:
    sound = {
        "name": "mail",
        "names": ["mail.example.org"],
        "certificate_file": "/c.pem",
        "key_file": "/k.pem",
    }
    assert faults(site_tls_certificates=[sound]) == []
    (said,) = faults(site_tls_certificates=[{**sound, "names": "mail.example.org"}])
    assert "names is 'mail.example.org': give a list" in said
    (said,) = faults(site_tls_certificates=[{"name": "mail", "certificate": "/c.pem", "names": []}])
    assert "'certificate' is no option here" in said


@pytest.mark.parametrize(
    ("option", "value", "remedy"),
    [
        ("name", "../mta", "name is '../mta': give a folder's name"),
        ("name", "..", "name is '..': give a folder's name"),
        ("name", "", "name is '': give a folder's name"),
        ("names", [], "at least one"),
        ("names", ["mail.example.org,DNS:x"], "names has 'mail.example.org,DNS:x': give host names"),
        ("key_file", None, "has certificate_file alone: give certificate_file and key_file, both or neither"),
        ("key_file", "k.pem", "key_file is 'k.pem': give a path from the root"),
    ],
)
def test_a_certificate_is_judged_before_the_first_change(option: str, value: Any, remedy: str) -> None:
    sound = {"name": "mail", "names": ["*.example.org"], "certificate_file": "/c.pem", "key_file": "~/k.pem"}
    assert faults(site_tls_certificates=[sound, {"name": "b", "names": ["b.example.org"]}]) == []
    given = {name: each for name, each in {**sound, option: value}.items() if each is not None}
    (said,) = faults(site_tls_certificates=[given])
    assert said.startswith("site_tls_certificates, entry 1,")
    assert remedy in said


def test_no_two_certificates_share_a_folder() -> None:
    (said,) = faults(
        site_tls_certificates=[{"name": "a", "names": ["a.example"]}, {"name": "a", "names": ["b.example"]}]
    )
    assert said.startswith("site_tls_certificates, entry 2, name is 'a'")


def test_site_variables_are_those_that_are_known() -> None:
    assert set(settings.SITE) == problems.SITE_VARIABLES


def test_every_type_of_the_roles_is_known() -> None:
    assert {spec["type"] for spec in SPECS.values()} <= set(settings.TYPES)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("mta_max_conections", "mta_max_connections"),
        ("mat_max_connections", "mta_max_connections"),
        ("compny_people", "company_people"),
        ("auth_thread", "auth_threads"),
        ("tls_renew_day", "tls_renew_days"),
        ("host_ip4", "host_ipv4"),
        ("site_tls_certificate", "site_tls_certificates"),
    ],
)
def test_a_mistyped_name_is_told_with_the_right_one(name: str, meant: str) -> None:
    (said,) = problems.unknown_variables(
        [name, "host_room", "dns_team", "ansible_host"], list(SPECS), list(AGENTS)
    )
    assert said == f"{name} is no variable of Postroom: perhaps {meant}?"
