"""Processes under measurement: started, waited for, their processor time and memory counted, ended."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

START_SECONDS = 20.0


class Running(NamedTuple):
    """A server: its SMTP port, and the roots of its process trees."""

    port: int
    pids: tuple[int, ...]

    def processor_seconds(self) -> float:
        """User and system time of all its processes, also of those that have ended and were waited for."""
        return sum(map(_tree_seconds, self.pids))


@contextlib.contextmanager
def ended(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process, and its orderly end."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Ends the program when the process dies before, or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not happened():
        if time.monotonic() > deadline or process.poll() is not None:
            raise SystemExit(f"bench: a server does not start: {log.read_text()[-2000:]}")
        time.sleep(0.02)


def wait_for_banner(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until 220 comes from the port."""
    wait_until(lambda: _greets(port), process, log)


def _greets(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
        connection.settimeout(5)
        return connection.recv(3) == b"220"
    return False


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _tree_seconds(pid: int) -> float:
    total = 0
    parents: dict[int, list[int]] = {}
    times: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                values = (entry / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(values[1]), []).append(int(entry.name))
                times[int(entry.name)] = sum(map(int, values[11:15]))
    pending = [pid]
    while pending:
        one = pending.pop()
        total += times.get(one, 0)
        pending += parents.get(one, [])
    return total / os.sysconf("SC_CLK_TCK")


def proportional_mib(pid: int) -> float:
    """The share of memory (PSS) of a process and its workers, in MiB."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(map(_own_mib, [pid, *map(int, children)]))


def _own_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"bench: no memory figures of process {pid}")
