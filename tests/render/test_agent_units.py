"""The module that has an agent's units running, run on a systemctl that tells what a test says."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from agent_files import ROOT
from ansible.module_utils.testing import patch_module_args

specification = importlib.util.spec_from_file_location("units", ROOT / "plugins/modules/agent_units.py")
assert specification
assert specification.loader
module = importlib.util.module_from_spec(specification)
specification.loader.exec_module(module)

SERVICE, SOCKET = "postroom-pop3.service", "postroom-pop3-pop3s.socket"
SYSTEMCTL = """#!/bin/sh
[ "$1" = show ] && exec cat {folder}/units
echo "$@" >>{folder}/said
"""


@pytest.fixture
def actions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What the module does where service and socket are in these states."""
    program = tmp_path / "systemctl"
    program.write_text(SYSTEMCTL.format(folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    run_command = module.AnsibleModule.run_command

    def run(self: Any, words: list[str], **options: Any) -> Any:
        return run_command(
            self, [str(program) if words[0] == "systemctl" else words[0], *words[1:]], **options
        )

    monkeypatch.setattr(module.AnsibleModule, "run_command", run)

    def answer(service: str, socket: str = "active") -> list[str]:
        block = "Id={}\nLoadState=loaded\nActiveState={}\nUnitFileState=enabled\nNeedDaemonReload=no\n"
        block += "FragmentPath=\nDropInPaths=\nExecMainStartTimestampMonotonic=1\n"
        (tmp_path / "units").write_text(
            "\n".join([block.format(SERVICE, service), block.format(SOCKET, socket)])
        )
        arguments = {"service": SERVICE, "sockets": [SOCKET], "program": str(tmp_path / "none")}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        found: list[str] = json.loads(capsys.readouterr().out)["actions"]
        said = tmp_path / "said"
        assert (said.read_text().splitlines() if said.exists() else []) == found
        return found

    return answer


def test_what_runs_is_left_alone(actions: Any) -> None:
    assert actions("active") == []


@pytest.mark.parametrize("state", ["inactive", "failed"])
def test_what_is_down_is_started(actions: Any, state: str) -> None:
    assert actions(state) == [f"start {SERVICE}"]


def test_an_agent_that_waits_after_a_failed_start_is_restarted(actions: Any) -> None:
    assert actions("activating") == [f"restart {SERVICE}"]


@pytest.mark.parametrize("state", ["active", "activating"])
def test_a_socket_is_started_while_nobody_holds_the_others(actions: Any, state: str) -> None:
    assert actions(state, "inactive") == [f"stop {SERVICE}", f"start {SOCKET}", f"start {SERVICE}"]
