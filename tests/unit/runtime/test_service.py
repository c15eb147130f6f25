"""An agent's life as systemd sees it: arguments, inherited sockets, readiness, signals, workers."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from postroom.runtime.worker_count import find_capacity, workers_in

PROGRAM = '''
import asyncio, sys
from postroom.runtime.config import Settings
from postroom.runtime.service import Agent, run
class EchoConfig(Settings, frozen=True, kw_only=True):
    word: str = "hello"
class Echo(Agent[EchoConfig]):
    """Says its word to whoever connects."""
    name = "echo"
    settings = EchoConfig
    async def start(self):
        self.servers = [await asyncio.start_server(self.serve, sock=s) for s in self.service.sockets("echo")]
    async def serve(self, reader, writer):
        writer.write(f"{self.config.word} {self.service.worker}".encode()); writer.close()
    async def drain(self):
        for server in self.servers: server.close()
run(Echo)
'''


class Running:
    """The program above with a socket as systemd hands it over, and a listener for what it tells."""

    def __init__(self, folder: Path, settings: str) -> None:
        self.config = folder / "echo.toml"
        self.config.write_text(settings)
        (folder / "echo.py").write_text(PROGRAM)
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told.bind(str(folder / "notify"))
        self.told.settimeout(60)
        listening = socket.create_server(("127.0.0.1", 0))
        self.address = listening.getsockname()

        # sh sets LISTEN_PID to the process that exec keeps, as systemd does
        # Bash has uses of its own for smaller numbers.
        given = fcntl.fcntl(listening.fileno(), fcntl.F_DUPFD, 100)
        command = f'LISTEN_PID=$$ exec "$0" "$@" 3<&{given}'
        self.process = subprocess.Popen(
            ["bash", "-c", command, sys.executable, str(folder / "echo.py"), "--config", str(self.config)],
            env={
                **os.environ,
                "LISTEN_FDS": "1",
                "LISTEN_FDNAMES": "echo",
                "NOTIFY_SOCKET": str(folder / "notify"),
            },
            pass_fds=[given],
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(given)
        listening.close()

    def hear(self, state: str) -> None:
        while state not in self.told.recv(4096).decode().split("\n"):
            pass

    def said(self) -> str:
        with socket.create_connection(self.address, 60) as client:
            return client.recv(100).decode()

    def end(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@pytest.mark.parametrize("workers", [1, 2])
def test_an_agent_lives_reloads_and_ends(tmp_path: Path, workers: int) -> None:
    settings = f'host_name = "a.example"\nworkers = {workers}\n'
    running = Running(tmp_path, settings)
    running.hear("READY=1")
    assert running.said().startswith("hello ")
    running.config.write_text(settings + 'word = "good day"\n')
    running.process.send_signal(signal.SIGHUP)
    for _ in range(workers):
        running.hear("READY=1")
    assert running.said().startswith("good day ")
    status, errors = running.end()
    assert status == 0
    assert errors.count("settings and certificates read again") == workers
    assert "Traceback" not in errors


def test_no_number_is_one_worker_per_core(tmp_path: Path) -> None:
    running = Running(tmp_path, 'host_name = "a.example"\nworkers = 0\n')
    running.hear("READY=1")
    right = workers_in(find_capacity())
    status, errors = running.end()
    assert status == 0
    assert errors.count("ready, version") == right
    assert f"workers: {right} for " in errors


def test_wrong_settings_do_not_end_a_running_agent(tmp_path: Path) -> None:
    running = Running(tmp_path, 'host_name = "a.example"\n')
    running.hear("READY=1")
    running.config.write_text("word = 5")
    running.process.send_signal(signal.SIGHUP)
    running.hear("RELOADING=1")
    running.hear("READY=1")
    assert running.said() == "hello 1"
    status, errors = running.end()
    assert status == 0
    assert "going on with the old settings" in errors


def test_a_dead_worker_ends_the_service(tmp_path: Path) -> None:
    running = Running(tmp_path, 'host_name = "a.example"\nworkers = 2\n')
    running.hear("READY=1")
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    _, errors = running.process.communicate(timeout=60)
    assert running.process.returncode != 0
    assert f"(process {children[0]}) was killed by SIGKILL" in errors


def test_a_reload_waits_for_workers_that_are_not_ready(tmp_path: Path) -> None:
    running = Running(tmp_path, 'host_name = "a.example"\nworkers = 9\n')
    assert running.process.stderr is not None
    assert "ready, version" in running.process.stderr.readline()  # one of nine
    running.process.send_signal(signal.SIGHUP)
    for _ in range(9):
        assert any("read again" in line for line in iter(running.process.stderr.readline, ""))
    status, errors = running.end()
    assert status == 0
    assert errors.count(": ended") == 9


def test_no_worker_outlives_the_service(tmp_path: Path) -> None:
    running = Running(tmp_path, 'host_name = "a.example"\nworkers = 2\n')
    running.hear("READY=1")
    running.process.kill()
    _, errors = running.process.communicate(timeout=60)  # their stderr ends with the last of them
    assert errors.count(": ended") == 2
    with pytest.raises(ConnectionError):
        running.said()


def test_check_config_judges_and_ends(tmp_path: Path) -> None:
    program = tmp_path / "echo.py"
    program.write_text(PROGRAM)
    config = tmp_path / "echo.toml"
    for text, status in (('host_name = "a.example"', 0), ("host_name = 5", 78)):
        config.write_text(text)
        done = subprocess.run(
            [sys.executable, program, "--check-config", config], capture_output=True, text=True
        )
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    program = tmp_path / "echo.py"
    program.write_text(PROGRAM)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = tmp_path / "echo.toml"
        config.write_text(f'host_name = "a.example"\n[listen]\necho = ["127.0.0.1:{port}"]\n')
        done = subprocess.run(
            [sys.executable, program, "--config", config], capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 1
    assert f"127.0.0.1:{port}: Address already in use" in done.stderr
