"""What the hosts would refuse in a company's directory, told on the controller before the first change.

The judge is the agents' own (`postroom directory apply`). Where Ansible runs without them it is left to the hosts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def faults(document: Mapping[str, Any], company: str) -> list[str]:
    """A sentence for each fault of a directory document; none when the hosts will take it."""
    try:
        from postroom.directory.problems import DirectoryRefused  # noqa: PLC0415 -- see above
        from postroom.directory.reading import read_document  # noqa: PLC0415
    except ImportError:
        return []
    try:
        read_document(json.dumps(document).encode())
    except DirectoryRefused as refused:
        return [
            f"directory of {company}: {named(found.path, document)} is {found.value}: {found.remedy}"
            for found in refused.problems
        ]
    return []


def named(path: str, document: Mapping[str, Any]) -> str:
    """`accounts[3].address` -> `accounts ada: address`, as people know nothing of places in a list."""
    section, bracket, rest = path.partition("[")
    place, _, field = rest.partition("]")
    if not bracket or not place.isdigit():
        return path
    record = document[section][int(place)]
    who = record.get("id") or record.get("name") or record.get("address")
    return f"{section} {who}: {field.removeprefix('.')}"


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"postroom_directory_faults": faults}
