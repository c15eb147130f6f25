"""Name what an inventory has to change since the release for which it was written.

Room rule: pure. The list of changes comes from playbooks/vars/changes.yml.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VARIABLE = "site_changes_read"
Changes = list[Mapping[str, Any]]


def change_problems(changes: Changes, read: Any, names: list[str]) -> list[str]:
    """Return a sentence for each change that the inventory is behind, and for each variable by its former name.

    `read`: the value of site_changes_read, None when it is missing. `names`: all variables of the inventory.
    """
    return [*behind(changes, read), *renamed_problems(changes, names)]


def behind(changes: Changes, read: Any) -> list[str]:
    versions = [str(change["version"]) for change in changes]
    newest = versions[-1]
    right = f'{VARIABLE}: "{newest}"'
    if read is None:
        return [
            f"{VARIABLE} is missing: read playbooks/vars/changes.yml, then write {right} to "
            "group_vars/postroom/site.yml"
        ]
    if not isinstance(read, str):
        return [f"{VARIABLE} is {read}, which is no text: write the release in quotes, {right}"]
    version = parsed(read)
    if version is None:
        return [f"{VARIABLE} is {read!r}, which is no release: write {right}"]
    if version > max(map(number, versions)):
        return [
            f"{VARIABLE} is {read!r}, newer than this kit, which knows the changes up to {newest}: "
            "use the newer kit"
        ]
    new = [change for change in changes if number(str(change["version"])) > version]
    told = [f"changed in {change['version']}: {sentence}" for change in new for sentence in change["what"]]
    return [*told, f"{VARIABLE} is {read!r}: when the inventory follows these changes, write {right}"] if told else []


def renamed_problems(changes: Changes, names: list[str]) -> list[str]:
    renamed = {
        old: (new, change["version"]) for change in changes for old, new in (change.get("renamed") or {}).items()
    }
    return [
        f"{name} has another name since {renamed[name][1]}: use {renamed[name][0]}"
        for name in sorted({*names} & {*renamed})
    ]


def parsed(text: str) -> tuple[int, ...] | None:
    """Return `0.2` or `0.2.1` as two numbers, so that 0.10 is newer than 0.9; None for anything else."""
    parts = text.split(".")
    if not all(part.isascii() and part.isdigit() for part in parts):
        return None
    return tuple(map(int, parts))[:2]


def number(text: str) -> tuple[int, ...]:
    return parsed(text) or ()


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"postroom_change_problems": change_problems}
