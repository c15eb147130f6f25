"""Return what the inventory says about groups, which variables of hosts alone do not tell.

`groups`: name -> {hosts, variables}: the variables that the group itself sets, as they are written, without templating.
`strays`: files of group_vars and host_vars beside the inventory that set variables, and belong to no group and no host.
`hidden`: files that Ansible does not read, since a folder of the same name is beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources

SUFFIXES = ("", ".yml", ".yaml", ".json")
VARIABLE = re.compile(r"^([a-z][a-z0-9_]*):", re.MULTILINE)
OURS = ("company_", "site_")
VAULT_GROUP = "postroom"  # its folder keeps the vault


def group_table(inventory: Any, loader: Any) -> dict[str, dict[str, Any]]:
    """Return each group's hosts and its own variables; of these only the ones with names like ours."""
    return {
        name: {
            "hosts": sorted(host.name for host in group.get_hosts()),
            "variables": {
                key: value for key, value in own_variables(group, inventory, loader).items() if key.startswith(OURS)
            },
        }
        for name, group in inventory.groups.items()
    }


def own_variables(group: Any, inventory: Any, loader: Any) -> Mapping[str, Any]:
    from_files = get_vars_from_inventory_sources(loader, inventory._sources, [group], "task")
    found: Mapping[str, Any] = combine_vars(group.get_vars(), from_files)
    return found


def strays(folder: Path, groups: Iterable[str], hosts: Iterable[str]) -> list[dict[str, Any]]:
    """Return each file that belongs to nobody, with the names of the variables in it."""
    found = []
    for kind, known in (("group_vars", set(groups)), ("host_vars", set(hosts))):
        for path in sorted((folder / kind).glob("*")):
            if path.name.startswith(".") or path.name.endswith(("~", ".bak", ".orig")):
                continue
            name = path.name if path.is_dir() else path.name.removesuffix(path.suffix)
            if name not in known and path.name not in known:
                variables = sorted({name for text in texts(path) for name in VARIABLE.findall(text)})
                found.append({"file": f"{kind}/{path.name}", "name": name, "variables": variables})
    return found


def texts(path: Path) -> Iterator[str]:
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            yield file.read_text(errors="replace")


def hidden(folder: Path) -> list[str]:
    """Return the files of the vault's group: the folder that keeps the vault takes their place."""
    base = folder / "group_vars" / VAULT_GROUP
    return [str(path) for suffix in SUFFIXES if (path := Path(f"{base}{suffix}")).is_file()]


class ActionModule(ActionBase):
    """Runs on the controller only."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        del tmp
        result: dict[str, Any] = super().run(None, task_vars)
        inventory = self._task.get_variable_manager()._inventory
        folder = Path(self._task.args["folder"])
        return {
            **result,
            "changed": False,
            "groups": group_table(inventory, self._loader),
            "strays": strays(folder, inventory.groups, inventory.hosts),
            "hidden": hidden(folder),
        }
