"""What the roles of the agents write, rendered by Ansible's own engine from the roles' files, without a host."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader, init_plugin_loader
from ansible.template import Templar

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "roles"
TABLE = yaml.safe_load((ROOT / "playbooks/vars/agents.yml").read_text())["postroom_agents"]
AGENTS = tuple(row["name"] for row in TABLE)


@cache
def ready() -> DataLoader:
    init_plugin_loader([])
    filter_loader.add_directory(str(ROOT / "plugins/filter"))
    return DataLoader()


def load(path: Path) -> Any:
    return (ready().load_from_file(str(path), trusted_as_template=True) or {}) if path.exists() else {}


def templar(agent: str, **given: Any) -> Templar:
    """Ansible's engine with the variables that the role of the agent hands to the role `agent`."""
    (task,) = load(ROLES / agent / "tasks/agent.yml")
    (write,) = load(ROLES / "agent/tasks/configure.yml")
    variables: dict[str, Any] = {}
    for layer in (
        load(ROLES / "agent/defaults/main.yml"),
        load(ROLES / "agent/vars/main.yml"),
        load(ROLES / agent / "defaults/main.yml"),
        load(ROLES / agent / "vars/main.yml"),
        task["vars"],
        write["vars"],
        {f"{agent}_host_name": "mail.alpha.example", "ansible_facts": {}, **given},
    ):
        variables.update(layer)
    variables["ansible_search_path"] = [str(ROLES / "agent"), str(ROLES / agent)]
    variables["ansible_managed"] = "Ansible managed"
    return Templar(loader=ready(), variables=variables)


def rendered(agent: str, **given: Any) -> dict[str, Any]:
    """`files`, `secret_files` and `secrets` as agent_files gets them, for the role's defaults and what is given."""
    (write,) = load(ROLES / "agent/tasks/configure.yml")
    found: dict[str, Any] = templar(agent, **given).template(write["agent_files"])
    return found


def content(agent: str, ending: str, **given: Any) -> str:
    """The one rendered file whose path ends so."""
    (file,) = [file for file in rendered(agent, **given)["files"] if file["path"].endswith(ending)]
    return str(file["content"])
