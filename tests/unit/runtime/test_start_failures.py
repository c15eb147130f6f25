"""Failed starts in a row, counted in a file that the service manager keeps from one start to the next."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from postroom.runtime.start_failures import LONGEST, pause

PROGRAM = """
import asyncio

from postroom.runtime.config import Settings
from postroom.runtime.service import Agent, run


class Broken(Agent[Settings]):
    name = "broken"
    settings = Settings

    async def start(self) -> None:
        if self.service.worker == 2:
            await asyncio.sleep(0.5)
        open(self.config.run_directory + "/key" + str(self.service.worker)).close()


run(Broken)
"""


class Manager:
    """What systemd does for a service of Type=notify with FileDescriptorStoreMax=1."""

    def __init__(self, folder: Path, workers: int = 1) -> None:
        self._folder = folder
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told.bind(str(folder / "notify"))
        self._told.settimeout(30)
        self._program = folder / "broken.py"
        self._program.write_text(PROGRAM)
        self._config = folder / "broken.toml"
        self._config.write_text(
            f'host_name = "a.example"\nrun_directory = "{folder}"\nworkers = {workers}\ndrain_seconds = 0\n'
        )
        self.stored: int | None = None

    def start(self) -> "subprocess.Popen[str]":
        """As systemd does: what is kept becomes descriptor 3, and LISTEN_PID the process that reads it."""
        environment = {**os.environ, "NOTIFY_SOCKET": str(self._folder / "notify")}
        keep = () if self.stored is None else (self.stored,)
        if keep:
            environment |= {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "fault"}
        handing = "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); fds = sys.argv[1].split()\n"
        handing += "if fds: os.dup2(int(fds[0]), 3)\n"
        handing += "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
        return subprocess.Popen(
            [sys.executable, "-c", handing, " ".join(map(str, keep)), self._program, "--config", self._config],
            env=environment, pass_fds=keep, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def hears(self) -> str:
        message, descriptors, _, _ = socket.recv_fds(self._told, 4096, 1)
        if descriptors:
            self.stored = descriptors[0]
        return message.decode()

    def count(self) -> bytes:
        assert self.stored is not None
        return os.pread(self.stored, 10, 0).strip()


@pytest.fixture(params=[1, 2])
def manager(tmp_path: Path, request: pytest.FixtureRequest) -> Manager:
    return Manager(tmp_path, request.param)


def test_pauses_grow_to_a_minute() -> None:
    assert [pause(failures) for failures in range(1, 9)] == [0, 2, 4, 8, 16, 32, LONGEST, LONGEST]
    assert pause(10_000_000) == LONGEST


def test_failed_starts_are_counted_until_one_goes_well(manager: Manager, tmp_path: Path) -> None:
    _, errors = manager.start().communicate(timeout=60)
    assert "key" in errors
    assert "Traceback" not in errors
    assert "FDNAME=fault" in manager.hears()
    assert manager.count() == b"1"
    began = time.monotonic()
    assert manager.start().wait(60) == 78
    assert time.monotonic() - began >= pause(2)
    assert manager.count() == b"2"
    for worker in (1, 2):
        (tmp_path / f"key{worker}").touch()
    running = manager.start()
    while "READY=1" not in manager.hears():
        pass
    assert manager.count() == b""
    running.terminate()
    running.communicate(timeout=60)


def test_one_worker_that_starts_does_not_make_up_for_another(tmp_path: Path) -> None:
    manager = Manager(tmp_path, workers=2)
    (tmp_path / "key1").touch()
    for failures in (b"1", b"2"):
        assert manager.start().wait(60) == 78
        if manager.stored is None:
            while "FDNAME=fault" not in manager.hears():
                pass
        assert manager.count() == failures


def test_who_waits_ends_at_once_when_asked(manager: Manager) -> None:
    manager.start().communicate(timeout=60)
    manager.hears()
    assert manager.stored is not None
    os.pwrite(manager.stored, b"100       ", 0)
    waiting = manager.start()
    deadline = time.monotonic() + 60
    while manager.count() != b"101":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    began = time.monotonic()
    waiting.terminate()
    waiting.communicate(timeout=60)
    assert time.monotonic() - began < LONGEST / 2
