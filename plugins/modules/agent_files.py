#!/usr/bin/python
"""Ansible module: write the files of one agent in one step."""

from __future__ import annotations

import grp
import os
import pwd
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: agent_files
short_description: Write the files of one agent in one step
description:
  - Writes each file that differs, in the order given, and replaces it as a whole.
  - One module run for all files of an agent, since a run over the network costs more than the files.
options:
  files:
    description: What to write.
    type: list
    elements: dict
    required: true
    suboptions:
      path: {description: Where., type: path, required: true}
      content: {description: What., type: str, required: true}
      owner: {description: The owning user., type: str, default: root}
      group: {description: The owning group., type: str, default: root}
      mode: {description: Mode as octal digits., type: str, default: "0644"}
      accept:
        description:
          - A command that takes the new file in place of C(%s), before that has its name. When it fails the old file
            stays. It may judge the content, or put it into effect. Not run in check mode.
        type: list
        elements: str
        default: []
  secret_files:
    description: The same for files whose content is shown nowhere; it stands in O(secrets).
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Where., type: path, required: true}
      owner: {description: The owning user., type: str, default: root}
      group: {description: The owning group., type: str, default: root}
      mode: {description: Mode as octal digits., type: str, default: "0440"}
  only_secrets_in:
    description: Folders that hold nothing but these secret files and their folders; all else in them is removed.
    type: list
    elements: path
    default: []
  secrets:
    description:
      - Path to content of the secret files. An option of its own, since Ansible writes all others into the journal of
        the host, parts of them that are marked no_log included.
    type: dict
    default: {}
attributes:
  check_mode: {support: full, description: Says what would be written.}
  diff_mode: {support: full, description: Shows each file's lines.}
author: [The Postroom authors]
"""

EXAMPLES = r"""
- name: Configure | Write settings and units
  agent_files:
    files:
      - path: /etc/postroom/mta.toml
        content: "{{ lookup('ansible.builtin.template', 'etc/postroom/mta.toml.j2') }}"
        group: postroom-mta
        mode: "0640"
        accept: [/opt/postroom/current/bin/postroom-mta, --check-config, "%s"]
"""

RETURN = r"""
paths:
  description: Files written or removed, or that would be.
  returned: always
  type: list
  elements: str
"""


SECRET_FILE = {
    "path": {"type": "path", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0440"},
}
FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0644"},
    "accept": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE},
            "secret_files": {"type": "list", "elements": "dict", "default": [], "options": SECRET_FILE},
            "only_secrets_in": {"type": "list", "elements": "path", "default": []},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    changed: list[str] = []
    diffs: list[dict[str, str]] = []
    contents = module.params["secrets"]
    secret = [
        {**file, "content": contents[file["path"]], "accept": [], "secret": True}
        for file in module.params["secret_files"]
    ]
    for file in in_order(module.params["files"], secret):
        present = read(file["path"])
        if present == file["content"] and attributes(file["path"]) == wanted_attributes(file):
            continue
        changed.append(file["path"])
        diffs.append(difference(file, present))
        if not module.check_mode:
            write(module, file)
    kept = {file["path"] for file in module.params["secret_files"]}
    for path in left(module.params["only_secrets_in"], kept):
        changed.append(path)
        diffs.append({"prepared": f"{path}: removed\n"})
        if not module.check_mode:
            os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    module.exit_json(changed=bool(changed), paths=changed, diff=diffs)


def left(folders: list[str], kept: set[str]) -> list[str]:
    """What lies in the folders and is not kept, each file before its folder."""
    found = []
    for folder in folders:
        for place, inner, names in os.walk(folder, topdown=False):
            links = [name for name in inner if os.path.islink(os.path.join(place, name))]
            found += [path for name in names + links if (path := os.path.join(place, name)) not in kept]
            if place != folder and not any(path.startswith(f"{place}/") for path in kept):
                found.append(place)
    return found


def in_order(files: list[dict], secret: list[dict]) -> list[dict]:
    """Secrets before the first file that a program judges in /etc/postroom: settings name them."""
    place = next(
        (number for number, file in enumerate(files) if file["path"].startswith("/etc/postroom/")), len(files)
    )
    return files[:place] + secret + files[place:]


def read(path: str) -> str | None:
    try:
        return Path(path).read_text()
    except FileNotFoundError:
        return None


def attributes(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_uid, found.st_gid, found.st_mode & 0o7777


def wanted_attributes(file: dict) -> tuple[int, int, int] | None:
    """None while the user or the group does not exist yet."""
    try:
        return pwd.getpwnam(file["owner"]).pw_uid, grp.getgrnam(file["group"]).gr_gid, int(file["mode"], 8)
    except KeyError:
        return None


def difference(file: dict, before: str | None) -> dict[str, str]:
    words = f"{file['path']} ({file['owner']}:{file['group']} {file['mode']})"
    if file.get("secret") or before == file["content"]:
        return {
            "prepared": f"{words}: {'new content, not shown' if before != file['content'] else 'owner or mode'}\n"
        }
    return {
        "before_header": file["path"] if before is not None else f"{file['path']} (absent)",
        "after_header": words,
        "before": before or "",
        "after": file["content"],
    }


def write(module: AnsibleModule, file: dict) -> None:
    target = Path(file["path"])
    if not target.parent.is_dir():  # a bare Debian has no /etc/sysusers.d
        target.parent.mkdir(mode=0o755, parents=True)
    descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".draft")
    try:
        with os.fdopen(descriptor, "w") as out:
            out.write(file["content"])
        accept(module, file, draft)
        wanted = wanted_attributes(file)
        if wanted is None:
            module.fail_json(msg=f"{target}: there is no user {file['owner']} or no group {file['group']}")
        os.chown(draft, wanted[0], wanted[1])
        os.chmod(draft, wanted[2])
        os.replace(draft, target)
    finally:
        if os.path.exists(draft):
            os.unlink(draft)


def accept(module: AnsibleModule, file: dict, draft: str) -> None:
    if not file["accept"]:
        return
    command = [draft if word == "%s" else word for word in file["accept"]]
    status, out, err = module.run_command(command)
    if status:
        words = (err.strip() or out.strip()).replace(draft, file["path"])
        module.fail_json(
            msg=f"{file['path']} was not accepted, the file stays as it was: {words}", command=command
        )


if __name__ == "__main__":
    main()
