"""`make inventory` writes an inventory that preflight accepts, or one line for each value that it cannot use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT

GOOD = {"name": "acme", "domain": "acme.org", "host": "mail.acme.org", "ipv4": "192.0.2.25"}


def make(folder: Path, **values: str) -> "subprocess.CompletedProcess[str]":
    words = [f"--{name}={value}" for name, value in values.items()]
    return subprocess.run(
        [sys.executable, ROOT / "tools/make_inventory.py", f"--folder={folder}", *words],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def preflight(inventory: Path) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name != "ANSIBLE_INVENTORY"}
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", inventory, "playbooks/preflight.yml"],
        cwd=ROOT, env={**environment, "POSTROOM_VAULT_PASSWORD_FILE": str(inventory.with_name("password"))},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"ipv4": "", "ipv6": "2001:db8::25"},
        {"ipv6": "2001:db8::25", "title": 'Müller: "Söhne" #1', "admin": "info"},
        {"name": "no", "admin": "null", "title": "1e3", "host": "acme.org"},
    ],
    ids=["least", "IPv6 alone", "everything", "words that YAML reads otherwise"],
)
def test_preflight_accepts_it(tmp_path: Path, more: dict[str, str]) -> None:
    made = make(tmp_path, **{**GOOD, **more})
    assert made.returncode == 0, made.stderr
    inventory = tmp_path / {**GOOD, **more}["name"]
    assert f"ansible-playbook -i {inventory} playbooks/preflight.yml" in made.stdout
    judged = preflight(inventory)
    assert judged.returncode == 0, judged.stdout
    assert "WARNING" not in judged.stderr


def test_it_holds_what_was_given(tmp_path: Path) -> None:
    given = {**GOOD, "ipv6": "2001:db8::25", "title": 'Acme "& Sons"', "admin": "ada"}
    assert make(tmp_path, **given).returncode == 0
    hosts = yaml.safe_load((tmp_path / "acme/hosts.yml").read_text())
    company = yaml.safe_load((tmp_path / "acme/group_vars/acme.yml").read_text())
    assert hosts["mail_hosts"]["children"] == {"acme": None}
    assert hosts["acme"]["hosts"] == {
        "mail.acme.org": {"host_ipv4": "192.0.2.25", "host_ipv6": "2001:db8::25"}
    }
    assert company["company_name"] == 'Acme "& Sons"'
    assert company["company_administrator"] == "ada"
    assert company["company_people"] == {"ada": {"name": "Ada", "address": "ada@acme.org", "quota": "5 GB"}}


def test_it_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    made = make(tmp_path, **GOOD)
    assert made.returncode == 2
    assert made.stderr == (
        f"NAME=acme: {tmp_path}/acme exists and stays as it is: choose another name, or remove it\n"
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "acme"]
    assert list((tmp_path / "acme").iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"name": ""}, "NAME is missing: make inventory NAME=acme"),
        ({"name": "Acme Inc"}, "NAME=Acme Inc: use a short name of lower-case letters"),
        ({"name": "../acme"}, "NAME=../acme: use a short name of lower-case letters"),
        ({"name": "mail_hosts"}, "NAME=mail_hosts is a group of the kit: use the company's name"),
        ({"domain": ""}, "DOMAIN is missing: make inventory NAME=acme"),
        ({"domain": "acme"}, "DOMAIN=acme: write the full name in lower case"),
        ({"domain": "müller.de"}, "DOMAIN=müller.de: write the full name in lower case and in ASCII"),
        ({"host": ""}, "HOST is missing: make inventory NAME=acme"),
        ({"host": "mail"}, "HOST=mail: write the full name in lower case"),
        ({"ipv4": ""}, "IPV4 and IPV6 are missing: give the public address of the host"),
        ({"ipv4": "192.0.2.256"}, "IPV4=192.0.2.256: write one IPv4 address, such as 192.0.2.25"),
        ({"ipv4": "2001:db8::25"}, "IPV4=2001:db8::25: write one IPv4 address"),
        ({"ipv6": "192.0.2.25"}, "IPV6=192.0.2.25: write one IPv6 address"),
        ({"ipv4": "127.0.0.1"}, "IPV4=127.0.0.1: write the address under which other servers reach the host"),
        ({"ipv6": "fe80::1"}, "IPV6=fe80::1: write the address under which other servers reach the host"),
        ({"admin": "Ada Lovelace"}, "ADMIN=Ada Lovelace: use lower-case letters"),
        ({"title": "a\nb"}, "TITLE='a\\nb': write it in one line"),
    ],
)
def test_a_value_that_cannot_be_used_is_one_line(tmp_path: Path, wrong: dict[str, str], remedy: str) -> None:
    made = make(tmp_path, **{**GOOD, **wrong})
    assert made.returncode == 2
    assert made.stderr.startswith(remedy)
    assert made.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_make_hands_over_what_stands_in_the_command_alone() -> None:
    """Some shells export a variable HOST."""
    said = subprocess.run(
        ["make", "--no-print-directory", "-n", "-o", ".venv/.installed", "inventory", "NAME=acme", "DOMAIN=acme.org", "IPV6=2001:db8::25"],
        cwd=ROOT, env={**os.environ, "HOST": "laptop"}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert " ".join(said.replace("\\\n", " ").split()).endswith(
        "tools/make_inventory.py --name='acme' --domain='acme.org' --ipv6='2001:db8::25'"
    )
