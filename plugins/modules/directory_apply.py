#!/usr/bin/python
"""Ansible module: make a document the directory of the mail agents."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: directory_apply
short_description: Make a document the directory of the mail agents
description:
  - Hands the document to C(postroom directory apply) on its standard input, so that passwords stand in no command line.
  - What changes, or would change, is shown as the diff, without passwords.
options:
  command: {description: The operator's command., type: path, required: true}
  document: {description: The directory without passwords., type: dict, required: true}
  first_passwords: {description: Account id to the password it begins with., type: dict, default: {}}
  first_password_ids: {description: Account id to a word that changes with the first password., type: dict, default: {}}
attributes:
  check_mode: {support: full, description: Says what would change.}
  diff_mode: {support: full, description: Shows every domain, account and alias that changes.}
author: [The Postroom authors]
"""

EXAMPLES = r"""
- name: Configure | Make it the directory
  directory_apply:
    command: /usr/local/bin/postroom
    document: {version: 1, domains: [{name: alpha.example, home: mail.alpha.example}]}
"""

RETURN = r"""
changes:
  description: What changed, one line each, as the command says it.
  returned: always
  type: list
  elements: str
"""


SIGNS = ("+ ", "~ ", "! ", "- ", "* ", "= ")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "command": {"type": "path", "required": True},
            "document": {"type": "dict", "required": True},
            "first_passwords": {"type": "dict", "default": {}, "no_log": True},
            "first_password_ids": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    command = module.params["command"]
    if module.check_mode and not os.path.exists(command):
        lines = [
            f"+ account {account['id']} added" for account in module.params["document"].get("accounts", [])
        ]
        finish(module, ["The agents are not installed yet; they would begin with:", *lines], changed=True)
    words = [command, "directory", "apply", *(["--check"] if module.check_mode else []), "--diff", "-"]
    status, out, err = module.run_command(words, data=json.dumps(whole(module.params)), binary_data=True)
    lines = out.splitlines()
    if status and not any(line.startswith(SIGNS) for line in lines):
        module.fail_json(
            msg=f"The directory was refused, nothing was changed: {err.strip() or out.strip()}", rc=status
        )
    finish(module, lines, changed=any(line.startswith(SIGNS) for line in lines))


def whole(given: dict[str, Any]) -> dict[str, Any]:
    """The document with each account's first password."""
    passwords, ids = given["first_passwords"], given["first_password_ids"]
    accounts = [
        {**account, "password": passwords[account["id"]], "password_id": ids.get(account["id"], "")}
        if account["id"] in passwords and account.get("state") != "deleted"
        else account
        for account in given["document"].get("accounts", [])
    ]
    return {**given["document"], "accounts": accounts}


def finish(module: AnsibleModule, lines: list[str], *, changed: bool) -> None:
    diff = {"prepared": "".join(f"{line}\n" for line in lines)} if changed else {}
    module.exit_json(changed=changed, changes=lines if changed else [], diff=diff)


if __name__ == "__main__":
    main()
