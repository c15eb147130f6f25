"""What keeps a machine from holding the demo's hosts, told by programs that say what a test says."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def said(tmp_path: Path) -> "Said":
    return Said(tmp_path)


class Said:
    def __init__(self, folder: Path) -> None:
        self.images = folder / "build/images"
        self.images.mkdir(parents=True)
        self._script = folder / "molecule/resources/check_machine.sh"
        self._script.parent.mkdir(parents=True)
        for name in ("check_machine.sh", "podman.sh"):
            shutil.copy(ROOT / "molecule/resources" / name, self._script.parent)
        self._programs = folder / "bin"
        self._programs.mkdir()

    def where(self, free: int, routes: str = "default via 192.0.2.1 dev eth0") -> str:
        for name, text in {
            "podman": f'case "$1" in info) echo {self.images} ;; *) exit 1 ;; esac',
            "df": f"echo Avail; echo ' {free}'",
            "ip": f"echo '{routes}'",
        }.items():
            (self._programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (self._programs / name).chmod(0o755)
        done = subprocess.run(
            [self._script, "postroom-demo", "10.213.25.0/24"], capture_output=True, text=True, check=False,
            env={**os.environ, "PATH": f"{self._programs}:{os.environ['PATH']}"},
        )  # fmt: skip
        assert bool(done.returncode) == bool(done.stderr)
        return done.stderr


def test_a_machine_with_room_is_no_matter(said: Said) -> None:
    assert said.where(free=3) == ""


def test_a_machine_without_room_is_told(said: Said) -> None:
    assert "2 GiB free, the demo needs 3" in said.where(free=2)


def test_what_is_built_needs_no_room_once_more(said: Said) -> None:
    (said.images / "bookworm-1.tar").touch()
    assert said.where(free=1) == ""
    assert "0 GiB free, the demo needs 1" in said.where(free=0)


def test_a_network_in_use_is_told(said: Said) -> None:
    told = said.where(free=9, routes="10.213.0.0/16 dev tun0 scope link ")
    assert "10.213.25.0/24, are in use on this machine (10.213.0.0/16 dev tun0 scope link)" in told
