#!/usr/bin/python3
"""Ansible module: the DS records of the zones that Knot signs here. Reads only."""

from __future__ import annotations

import os
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: knot_ds
short_description: The DS records of the zones that Knot signs on this host
description:
  - Asks keymgr for the key signing key of each zone. Changes nothing.
  - Zones without a key yet, or a host without Knot, give no records.
options:
  zones:
    description: Names of the zones, each with its dot at the end.
    type: list
    elements: str
    required: true
  wait_seconds:
    description: How long to wait until every zone has a key. Then it is an error.
    type: int
    default: 0
author: Postroom
"""

EXAMPLES = r"""
- name: Look up the keys
  knot_ds:
    zones: [example.org.]
  register: keys
"""

RETURN = r"""
ds:
  description: Values of the DS records (SHA-256) of each zone that has a key.
  type: dict
  returned: always
missing:
  description: Zones without a key.
  type: list
  returned: always
"""

KEYMGR = "/usr/sbin/keymgr"
KEY_DATABASE = "/var/lib/knot/keys/data.mdb"
SHA256 = "2"  # digest type, RFC 4509
PAUSE = 0.2


def zone_ds(zone: str) -> list[str]:
    """Values of the zone's DS records, asked as Knot's own user so that the key database stays its own."""
    done = subprocess.run(  # noqa: S603
        [KEYMGR, zone, "ds"], user="knot", group="knot", capture_output=True, text=True, check=False
    )
    fields = [line.split() for line in done.stdout.splitlines()]
    return [" ".join(line[2:]) for line in fields if len(line) == 6 and line[1] == "DS" and line[4] == SHA256]


def all_ds(zones: list[str]) -> dict[str, list[str]]:
    if not (os.path.exists(KEYMGR) and os.path.exists(KEY_DATABASE)):
        return {}
    found = {zone: zone_ds(zone) for zone in zones}
    return {zone: values for zone, values in found.items() if values}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "zones": {"type": "list", "elements": "str", "required": True},
            "wait_seconds": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    zones, seconds = module.params["zones"], module.params["wait_seconds"]
    deadline = time.monotonic() + seconds
    while True:
        ds = all_ds(zones)
        missing = [zone for zone in zones if zone not in ds]
        if not missing or time.monotonic() >= deadline:
            break
        time.sleep(PAUSE)
    if missing and seconds:
        module.fail_json(
            msg=f"Knot made no key in {seconds} s for: {', '.join(missing)}. See: journalctl -u knot"
        )
    module.exit_json(changed=False, ds=ds, missing=missing)


if __name__ == "__main__":
    main()
