"""A company with two hosts is never without one that serves; other companies need not wait for one another."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import ROOT, load

batch = load("plugins/filter/batches.py").batch
ALONE = {"a1": {"company_name": "A"}, "b1": {"company_name": "B"}}
TOGETHER = {**ALONE, "a2": {"company_name": "A"}}  # Ansible sorts them
TWINS = {"a1": {"company_id": "a", "company_name": "Same"}, "b1": {"company_id": "b", "company_name": "Same"}}


@pytest.mark.parametrize(("hosts", "expected"), [(ALONE, "100%"), (TOGETHER, 1), (TWINS, "100%")])
def test_hosts_go_together_only_where_each_is_its_companys_one(hosts: Any, expected: int | str) -> None:
    assert batch(hosts, list(hosts)) == expected
    assert batch({}, list(hosts)) == 1


def agents_plays() -> list[dict[str, Any]]:
    """The plays whose roles restart or reload agents."""
    plays = [
        play
        for name in ("site", "mail")
        for play in yaml.safe_load((ROOT / f"playbooks/{name}.yml").read_text())
    ]
    return [play for play in plays if {"tls", "mta"} & {role["role"] for role in play.get("roles", [])}]


@pytest.mark.parametrize("fails", ["nobody", "a1"])
@pytest.mark.parametrize("play", agents_plays(), ids=lambda play: play["name"])
def test_one_host_is_done_before_the_next_begins(tmp_path: Path, play: dict[str, Any], fails: str) -> None:
    """As Ansible runs it: a handler of the first host comes before the second host's task, and a failure ends the play."""
    tasks = [
        {"name": "task", "ansible.builtin.command": "true", "notify": "handler", "changed_when": True},
        {"name": "fault", "ansible.builtin.fail": {}, "when": f"inventory_hostname == '{fails}'"},
    ]
    handlers = [{"name": "handler", "ansible.builtin.command": "true"}]
    first = {
        "name": "first",
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.meta": "noop"}],
    }
    then = {key: play[key] for key in ("name", "hosts", "gather_facts", "serial")} | {
        "tasks": tasks,
        "handlers": handlers,
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([first, then]))
    hosts = {name: {**found, "ansible_connection": "local"} for name, found in TOGETHER.items()}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"mail_hosts": {"hosts": hosts}}))
    environment = {**os.environ, "ANSIBLE_PYTHON_INTERPRETER": sys.executable, "ANSIBLE_NOCOLOR": "1"}
    environment["POSTROOM_VAULT_PASSWORD_FILE"] = str(tmp_path / "password")
    program = Path(sys.executable).with_name("ansible-playbook")
    said = subprocess.run(
        [program, "-i", tmp_path / "hosts.yml", tmp_path / "play.yml"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=100,
    ).stdout  # fmt: skip
    heads = re.findall(r"(?:TASK|HANDLER) \[(task|handler)\]|(?:changed|fatal): \[(\w+)\]", said)
    done = [host for _, host in heads if host]
    assert done == (["a1", "a1", "a2", "a2", "b1", "b1"] if fails == "nobody" else ["a1", "a1", "a1"])
