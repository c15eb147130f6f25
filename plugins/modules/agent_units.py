#!/usr/bin/python
"""Ansible module: have the units of one agent enabled, running, and running what is on disk."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: agent_units
short_description: Have an agent's units enabled and running what is on disk
description:
  - Looks at all units in one step, and changes only what differs.
  - A service that began before its unit file or its program was last changed is restarted, also when the play that
    changed them was interrupted.
options:
  service: {description: The service unit., type: str, required: true}
  sockets:
    description: Its socket units. One that began before its file was changed is bound anew, with the service down; one
      that is no longer named is removed.
    type: list
    elements: str
    default: []
  program:
    description: A path whose change asks for a restart, such as the link to the current release.
    type: path
    required: true
  reload_for:
    description: Files whose change asks for a reload. When given, nothing else is done; for handlers.
    type: list
    elements: path
    default: []
  changing:
    description: Files that this run would have changed by now, were it not in check mode. Unused outside of it.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: >-
      Says what would be done, as if O(changing) had been changed. For the handler it leaves the fact
      C(agent_changing_NAME): these files, or the service's name when it would have been started meanwhile.
  diff_mode: {support: full, description: Shows the commands that systemctl gets.}
author: [The Postroom authors]
"""

EXAMPLES = r"""
- name: Run | Enable and start the agent
  agent_units:
    service: postroom-mta.service
    sockets: [postroom-mta-smtp.socket]
    program: /opt/postroom/current

- name: Reload postroom-mta
  agent_units:
    service: postroom-mta.service
    program: /opt/postroom/current
    reload_for: [/etc/postroom/mta.toml]
    changing: "{{ ansible_facts['agent_changing_postroom_mta'] | default([]) }}"
"""

RETURN = r"""
actions:
  description: What was done, or would be.
  returned: always
  type: list
  elements: str
"""


FOLDER = Path("/etc/systemd/system")
PROPERTIES = "Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload,FragmentPath,DropInPaths,{}"
BEGUN = ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")  # of a service, of a socket


class Units:
    """The units as systemd tells them, and what is done to them."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.service = module.params["service"]
        self.sockets = module.params["sockets"]
        self.changing = set(module.params["changing"]) if module.check_mode else set()
        self.actions: list[str] = []
        self.look()

    def look(self) -> None:
        names = [self.service, *self.sockets]
        out = self.call("show", "--property", PROPERTIES.format(",".join(BEGUN)), *names)
        blocks = [
            dict(line.split("=", 1) for line in block.splitlines()) for block in out.strip().split("\n\n")
        ]
        self.known = dict(zip(names, blocks, strict=True))

    def call(self, *arguments: str) -> str:
        status, out, err = self.module.run_command(["systemctl", *arguments])
        if status:
            self.module.fail_json(
                msg=f"systemctl {' '.join(arguments)}: {err.strip() or out.strip()}{self.journal()}"
            )
        return out

    def journal(self) -> str:
        """The last words of units that do not start, for the one who reads the play's output."""
        units = [word for name in [self.service, *self.sockets] for word in ("--unit", name)]
        command = ["journalctl", *units, "--lines", "15", "--output", "cat", "--no-pager"]
        _, out, _ = self.module.run_command(command)
        return f"\n{out.strip()}" if out.strip() else ""

    def do(self, *arguments: str) -> None:
        self.actions.append(" ".join(arguments))
        if not self.module.check_mode:
            self.call(*arguments)

    def active(self, name: str) -> bool:
        return self.known[name]["ActiveState"] in ("active", "reloading")

    def busy(self, name: str) -> bool:
        """Whether it runs or tries to: an agent that cannot start waits before it ends, and is activating meanwhile."""
        return self.known[name]["ActiveState"] not in ("inactive", "failed")

    def older(self, name: str, *paths: str) -> bool:
        """Whether the unit began before one of the files was changed, or would have."""
        if not self.changing.isdisjoint(paths):
            return True
        began = int(self.known[name].get(BEGUN[0]) or self.known[name].get(BEGUN[1]) or 0) / 1e6
        moment = time.time() - time.monotonic() + began
        return any(os.path.lexists(path) and os.lstat(path).st_mtime > moment for path in paths)

    def files(self, name: str) -> list[str]:
        unit = self.known[name]
        return [path for path in [unit["FragmentPath"], *unit["DropInPaths"].split()] if path]

    def leave_old_sockets(self) -> None:
        """Stop and remove socket units of this agent that it no longer has."""
        stem = self.service.removesuffix(".service")
        old = [path for path in sorted(FOLDER.glob(f"{stem}-*.socket")) if path.name not in self.sockets]
        if not old:
            return
        if self.busy(self.service):  # it holds the sockets too
            self.do("stop", self.service)
            self.known[self.service]["ActiveState"] = "inactive"
        self.do("disable", "--now", *[path.name for path in old])
        if not self.module.check_mode:
            for path in old:
                path.unlink()
            self.call("daemon-reload")

    def new_units(self) -> bool:
        """Whether a unit file is new or changed for systemd, or would be."""
        return any(
            unit["NeedDaemonReload"] == "yes"
            or unit["LoadState"] == "not-found"
            or str(FOLDER / name) in self.changing
            for name, unit in self.known.items()
        )

    def have_all_running(self) -> None:
        self.leave_old_sockets()
        if self.new_units():
            self.do("daemon-reload")
            if not self.module.check_mode:
                self.look()
        off = [name for name, unit in self.known.items() if unit["UnitFileState"] != "enabled"]
        if off:
            self.do("enable", *off)
        changed = [name for name in self.sockets if self.active(name) and self.older(name, *self.files(name))]
        down = [name for name in self.sockets if not self.active(name)]
        if changed or (down and self.busy(self.service)):
            self.do("stop", self.service, *changed)
            self.known[self.service]["ActiveState"] = "inactive"
        if changed or down:
            self.do("start", *changed, *down)
        if not self.busy(self.service):
            self.do("start", self.service)
        elif not self.active(self.service) or self.older(  # where it fails, a start would wait for the one that failed
            self.service, self.module.params["program"], *self.files(self.service)
        ):
            self.do("restart", self.service)

    def unseen(self) -> list[str]:
        """What would be changed without a start of the service that sees it; for a start, the service's name."""
        starts = (f"start {self.service}", f"restart {self.service}")
        return [self.service] if any(action in starts for action in self.actions) else sorted(self.changing)

    def reload(self) -> None:
        started = self.service in self.changing
        if self.active(self.service) and not started and self.older(self.service, *self.module.params["reload_for"]):
            self.do("reload", self.service)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "service": {"type": "str", "required": True},
            "sockets": {"type": "list", "elements": "str", "default": []},
            "program": {"type": "path", "required": True},
            "reload_for": {"type": "list", "elements": "path", "default": []},
            "changing": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    units = Units(module)
    if module.params["reload_for"]:
        units.reload()
    else:
        units.have_all_running()
    said = "".join(f"systemctl {action}\n" for action in units.actions)
    answer = {"changed": bool(units.actions), "actions": units.actions, "diff": {"prepared": said} if said else {}}
    if module.check_mode and not module.params["reload_for"]:
        answer["ansible_facts"] = {f"agent_changing_{fact_name(units.service)}": units.unseen()}
    module.exit_json(**answer)


def fact_name(service: str) -> str:
    return service.removesuffix(".service").replace("-", "_")


if __name__ == "__main__":
    main()
