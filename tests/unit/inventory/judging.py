"""An inventory judged as `playbooks/preflight.yml` judges it: by Ansible's own engine and the play's own expressions."""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader, init_plugin_loader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOKS = ROOT / "playbooks"
REMOVED = "(remove)"
Files = dict[str, Any]


@cache
def ready() -> None:
    init_plugin_loader([])
    filter_loader.add_directory(str(ROOT / "plugins/filter"))


def laid_over(base: Any, change: Any) -> Any:
    """Return the mapping with the change in it; lists and texts are replaced as a whole."""
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    merged = {key: laid_over(base[key], change[key]) if key in change else base[key] for key in base}
    merged |= {key: value for key, value in change.items() if key not in base}
    return {key: value for key, value in merged.items() if value != REMOVED}


def write(folder: Path, files: Files) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))


def load(path: Path) -> Any:
    return DataLoader().load_from_file(str(path), trusted_as_template=True)


def groups_plugin() -> Any:
    specification = importlib.util.spec_from_file_location(
        "postroom_groups", ROOT / "plugins/action/postroom_groups.py"
    )
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def judged(folder: Path) -> tuple[list[str], str]:
    """Return the problems, and the sentence for an inventory in order."""
    ready()
    loader = DataLoader()
    inventory = InventoryManager(loader, [str(folder)])
    manager = VariableManager(loader, inventory)
    first, second = load(PLAYBOOKS / "preflight.yml")
    everybody = manager.get_vars()
    if not everybody["groups"].get("postroom"):
        names = templar(everybody).template(first["tasks"][0]["postroom_report"]["problems"])
        return list(names), ""
    plugin = groups_plugin()
    read = {
        "groups": plugin.group_table(inventory, loader),
        "strays": plugin.strays(folder, inventory.groups, inventory.hosts),
        "hidden": plugin.hidden(folder),
    }
    host = inventory.groups["postroom"].get_hosts()[0]
    variables = (
        manager.get_vars(host=host) | second["vars"] | {"playbook_dir": str(PLAYBOOKS), "__read": read}
    )
    variables["hostvars"] = HostVars(inventory, manager, loader)
    for file in second["vars_files"]:
        variables |= load(PLAYBOOKS / file)
    variables |= of_the_kit()
    _, see, facts, judge = second["tasks"]
    if misplaced := templar(variables).template(see["postroom_report"]["problems"]):
        return list(misplaced), ""
    variables |= templar(variables).template(facts["ansible.builtin.set_fact"])
    found = templar(variables).template(
        {key: judge["postroom_report"][key] for key in ("problems", "success")}
    )
    return list(dict.fromkeys(found["problems"])), str(found["success"])


@cache
def of_the_kit() -> dict[str, Any]:
    """The play's variables that no inventory changes: what the roles' argument specs say."""
    play = load(PLAYBOOKS / "preflight.yml")[1]
    variables = play["vars"] | {"playbook_dir": str(PLAYBOOKS)}
    for file in play["vars_files"]:
        variables |= load(PLAYBOOKS / file)
    found: dict[str, Any] = templar(variables).template(
        {name: play["vars"][name] for name in ("__specs", "__wired", "__agents")}
    )
    return found


def templar(variables: dict[str, Any]) -> Templar:
    return Templar(loader=DataLoader(), variables=variables)
