#!/usr/bin/python3
"""Ansible module: write all zone files of a folder in one go, check each first, and remove those of dropped zones."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: zone_files
short_description: Write zone files, checked by Knot's kzonecheck
description:
  - Writes one file NAMEzone per zone into a folder, and removes the files of zones that are not listed.
  - Each changed file is checked before any is put in place.
options:
  directory:
    description: The folder, which holds nothing but these files. It is made.
    type: path
    required: true
  zones:
    description: Zones with C(name), ending in a dot, and C(content).
    type: list
    elements: dict
    required: true
author: Postroom
"""

EXAMPLES = r"""
- name: Write the zones
  zone_files:
    directory: /etc/knot/zones
    zones: [{name: example.org., content: "..."}]
"""

RETURN = r"""
written:
  description: Names of the zones whose files were or would be written.
  type: list
  returned: always
removed:
  description: Names of the files that were or would be removed.
  type: list
  returned: always
"""

KZONECHECK = "/usr/bin/kzonecheck"


def wrong(name: str, content: str) -> str:
    """What kzonecheck has against a zone; empty when it is right or the tool is not installed yet."""
    if not os.path.exists(KZONECHECK):
        return ""
    with tempfile.NamedTemporaryFile("w", suffix=".zone") as file:
        file.write(content)
        file.flush()
        done = subprocess.run(  # noqa: S603
            [KZONECHECK, "--origin", name, file.name], capture_output=True, text=True, check=False
        )
    return (done.stdout + done.stderr).strip() if done.returncode else ""


def write(path: Path, content: str) -> None:
    """Put a whole file in place of the old one."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(content)
    new.chmod(0o644)
    new.replace(path)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "zones": {"type": "list", "elements": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    directory = Path(module.params["directory"])
    wanted = {f"{zone['name']}zone": zone for zone in module.params["zones"]}
    present = {path.name: path.read_text() for path in directory.iterdir()} if directory.is_dir() else {}
    changed = {file: zone for file, zone in wanted.items() if present.get(file) != zone["content"]}
    removed = sorted(set(present) - set(wanted))
    for zone in changed.values():
        if complaint := wrong(zone["name"], zone["content"]):
            module.fail_json(msg=f"kzonecheck refuses {zone['name']}: {complaint}")
    diff = [
        {
            "before_header": file,
            "after_header": file,
            "before": present.get(file, ""),
            "after": wanted[file]["content"] if file in wanted else "",
        }
        for file in [*changed, *removed]
    ]
    if not module.check_mode:
        directory.mkdir(mode=0o755, exist_ok=True)
        for file, zone in changed.items():
            write(directory / file, zone["content"])
        for file in removed:
            (directory / file).unlink()
    names = [zone["name"] for zone in changed.values()]
    module.exit_json(changed=bool(changed or removed), written=names, removed=removed, diff=diff)


if __name__ == "__main__":
    main()
