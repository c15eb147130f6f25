"""Print what a check found, each problem once and on a line of its own, and stop the run where there is a problem.

Arguments: `problems` and `advice` (lists of sentences), `success` (a sentence for when nothing is wrong).
"""

from __future__ import annotations

from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

INDENT = "  "


def headline(count: int) -> str:
    return f"{count} problem{'' if count == 1 else 's'}, listed above. Nothing was changed."


class ActionModule(ActionBase):
    """Runs on the controller only."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        del tmp
        result: dict[str, Any] = super().run(None, task_vars)
        show = Display().display
        problems = list(dict.fromkeys(self._task.args.get("problems") or []))
        for line in dict.fromkeys(self._task.args.get("advice") or []):
            show(f"{INDENT}Advice: {line}", color=constants.COLOR_WARN)
        for line in problems:
            show(f"{INDENT}{line}", color=constants.COLOR_ERROR)
        if problems:
            return {**result, "failed": True, "msg": headline(len(problems))}
        if success := self._task.args.get("success"):
            show(f"{INDENT}{success}", color=constants.COLOR_OK)
        return {**result, "changed": False}
