"""Addresses that others do not see: a hint where it may be meant so, a stop where it cannot be."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, load

addresses = load("plugins/filter/address_hints.py")


def hosts(ipv4: str = "", ipv6: str = "") -> dict[str, dict[str, str]]:
    return {"mail.a.example": {"ipv4": ipv4, "ipv6": ipv6, "company": "A"}}


@pytest.mark.parametrize("address", ["10.0.0.5", "172.31.255.1", "192.168.1.2", "100.64.3.4"])
def test_a_private_address_is_a_hint_that_says_what_nat_needs(address: str) -> None:
    listening = {"mail.a.example": [25, 2465]}
    (said,) = addresses.address_hints(hosts(address), listening, False)
    assert said.startswith(f"host_ipv4 of mail.a.example is {address}, a private address")
    for words in ("enter the router's public address", f"forward its TCP ports 25, 2465 to {address}", "PTR"):
        assert words in said
    assert addresses.address_problems(hosts(address)) == []
    assert addresses.address_hints(hosts(address), listening, True) == []


@pytest.mark.parametrize("address", ["fd25::1", "fc00::1"])
def test_a_private_ipv6_address_is_a_hint(address: str) -> None:
    (said,) = addresses.address_hints(hosts("198.18.0.1", address), {}, False)
    assert said.startswith(f"host_ipv6 of mail.a.example is {address}, a private address")
    assert "or leave host_ipv6 out" in said


@pytest.mark.parametrize("address", ["9.9.9.9", "172.32.0.1", "100.128.0.1", "192.169.0.1"])
def test_public_addresses_are_silent(address: str) -> None:
    assert addresses.address_hints(hosts(address, "2620:fe::9"), {}, False) == []
    assert addresses.address_problems(hosts(address, "2620:fe::9")) == []


@pytest.mark.parametrize("given", [{"ipv4": "192.0.2.25"}, {"ipv6": "2001:db8::25"}, {"ipv4": "203.0.113.9"}])
def test_an_address_of_the_documentation_is_a_hint(given: dict[str, str]) -> None:
    (said,) = addresses.address_hints(hosts(**given), {}, True)
    assert "an address for examples: enter the host's own" in said


@pytest.mark.parametrize(
    "given",
    [
        {"ipv4": "255.255.255.255"}, {"ipv4": "240.0.0.1"}, {"ipv4": "0.1.2.3"}, {"ipv6": "fec0::1"},
        {"ipv6": "::ffff:192.0.2.1"},
        {"ipv4": "127.0.1.1"}, {"ipv4": "0.0.0.0"}, {"ipv4": "169.254.1.1"}, {"ipv4": "224.0.0.1"},
        {"ipv6": "::1"}, {"ipv6": "::"}, {"ipv6": "fe80::1"}, {"ipv6": "ff02::1"},
    ],
)  # fmt: skip
def test_an_address_of_no_host_stops_the_run(given: dict[str, str]) -> None:
    (said,) = addresses.address_problems(hosts(**given))
    assert said.endswith("give the address by which others reach the host")


@pytest.mark.parametrize("text", ["", "mail", "10.0.0", "2001:db8::1"])
def test_what_is_no_address_is_left_to_others(text: str) -> None:
    assert addresses.address_problems(hosts(text)) == addresses.address_hints(hosts(text), {}, False) == []


def test_the_preflight_gives_the_advice_and_goes_on(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ROOT / "inventory/example", tmp_path / "company"))
    for path, old, new in (
        ("hosts.yml", "192.0.2.25", "192.168.7.25"),
        ("group_vars/mycompany.yml", "company_name:", "pop3_listen_pop3: []\ncompany_name:"),
    ):
        assert old in (folder / path).read_text()
        (folder / path).write_text((folder / path).read_text().replace(old, new))
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", folder, "playbooks/preflight.yml"],
        cwd=ROOT, env={**os.environ, "POSTROOM_VAULT_PASSWORD_FILE": str(tmp_path / "password")},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    said = " ".join(done.stdout.split())
    assert "host_ipv4 of mail.example.org is 192.168.7.25, a private address" in said
    assert "forward its TCP ports 25, 143, 465, 587, 993, 995 to 192.168.7.25" in said
