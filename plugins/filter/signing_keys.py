"""Files of the DKIM keys: one per domain and selector, readable by the relay alone.

Room rule: pure. Keys come in as domain -> selector -> PEM, files and folders go out as role `agent` takes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FOLDER = "/etc/postroom/dkim"
GROUP = "postroom-relay"

Keys = Mapping[str, Mapping[str, str]]


def key_folders(keys: Keys) -> list[dict[str, str]]:
    return [
        {"path": f"{FOLDER}/{domain}", "mode": "0750", "owner": "root", "group": GROUP}
        for domain in sorted(keys)
    ]


def key_files(keys: Keys) -> list[dict[str, str]]:
    return [
        {
            "path": f"{FOLDER}/{domain}/{selector}.pem",
            "content": f"{str(keys[domain][selector]).rstrip()}\n",
            "group": GROUP,
        }
        for domain in sorted(keys)
        for selector in sorted(keys[domain])
    ]


class FilterModule:
    """Registers the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"relay_key_folders": key_folders, "relay_key_files": key_files}
