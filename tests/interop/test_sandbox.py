"""The sandbox as a command: what it says, and that nothing of it is left behind."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from ..agents import AGENTS
from ..clients import wait_for
from ..conftest import POSTROOM


def pids(folder: Path) -> list[int]:
    """Of the agents of alpha.example."""
    return [int((folder / "alpha.example/run" / f"{agent}.pid").read_text()) for agent in AGENTS]


def lives(pid: int) -> bool:
    """Whether it runs; one that nobody has waited for does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_agent_outlives_the_sandbox(how: signal.Signals, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("s")
    process = subprocess.Popen(
        [POSTROOM, "sandbox", "--json", "--dir", folder, "--user", "ada@alpha.example:secret"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": "/tmp"},
    )
    assert process.stdout is not None
    report = json.loads(process.stdout.readline())
    assert set(report) == {"ca", "domains"}
    assert report["domains"]["alpha.example"]["users"] == [
        {"address": "ada@alpha.example", "password": "secret"}
    ]
    started = pids(folder)
    assert all(map(lives, started))
    process.send_signal(how)
    process.wait(60)
    process.stdout.close()
    assert wait_for(lambda: not any(map(lives, started)))
