"""The scripts of the role tls, run by a shell on a systemctl that tells what a test says."""

import os
import subprocess
from pathlib import Path

import yaml
from agent_files import ROLES

SYSTEMCTL = """#!/bin/sh
if [ "$1" = show ]; then
    case "$5" in imap.service) echo active ;; pop3.service) echo activating ;; *) echo inactive ;; esac
else
    echo "$@"
    [ "$1" != "{failing}" ]
fi
"""


def reloaded(tmp_path: Path, failing: str = "") -> "subprocess.CompletedProcess[str]":
    (tmp_path / "systemctl").write_text(SYSTEMCTL.format(failing=failing))
    (tmp_path / "systemctl").chmod(0o755)
    script = yaml.safe_load((ROLES / "tls/vars/main.yml").read_text())["__tls_reload_script"]
    units = ["imap.service", "pop3.service", "mta.service"]
    return subprocess.run(
        ["sh", "-euc", script, "sh", *units], capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip


def test_what_runs_is_reloaded_and_what_tries_to_start_is_restarted(tmp_path: Path) -> None:
    done = reloaded(tmp_path)
    assert done.stdout.splitlines() == [
        "reload-or-restart imap.service",
        "restart --no-block pop3.service",
    ]
    assert done.returncode == 0


def test_a_refused_reload_is_told_after_the_others(tmp_path: Path) -> None:
    done = reloaded(tmp_path, failing="reload-or-restart")
    assert len(done.stdout.splitlines()) == 2
    assert done.returncode == 1
