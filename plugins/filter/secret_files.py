"""Files whose content is shown nowhere. Room rule: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def without_content(files: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What may be shown of them: path, owner, group and mode."""
    return [{name: file[name] for name in file if name != "content"} for file in files]


class FilterModule:
    """Registers the filter with Ansible."""

    def filters(self) -> dict[str, Any]:
        return {"agent_without_content": without_content}
