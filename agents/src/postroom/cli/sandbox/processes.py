"""The sandbox's processes: fork them after all imports, pass sockets as systemd does, and restart them."""

import ctypes
import fcntl
import gc
import importlib
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

FIRST = 3  # SD_LISTEN_FDS_START
HIGH = 200  # above every descriptor that the sandbox holds
PR_SET_PDEATHSIG = 1  # linux/prctl.h
CRASHES = 5  # within CRASH_WINDOW seconds end the sandbox, unless an outside signal caused them
CRASH_WINDOW = 10.0
ENDING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


class SandboxFailed(Exception):
    """A process did not start or kept crashing; the text names it and its log."""


@dataclass(frozen=True)
class Process:
    """What to run. `sockets` are (name, socket); `state` is the folder for pid, log and readiness socket."""

    name: str
    label: str
    state: Path
    sockets: tuple[tuple[str, socket.socket], ...]
    work: Callable[[], object]

    @property
    def log(self) -> Path:
        """The process's log file."""
        return self.state / f"{self.name}.log"


def agent_work(agent: str, config: Path) -> Callable[[], object]:
    """Return the main function of an agent, imported now so that only the fork remains."""
    module = importlib.import_module(f"postroom.{agent}.app")

    def work() -> object:
        sys.argv = [f"postroom-{agent}", "--config", str(config)]
        return module.main()

    return work


class Supervisor:
    """Starts processes, waits until they are ready, restarts those that die, and ends them all."""

    def __init__(self) -> None:
        self._running: dict[int, Process] = {}
        self._crashes: list[float] = []
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})

    def start(self, processes: list[Process], seconds: float) -> None:
        """Start them and wait until each has sent READY=1. Raises SandboxFailed."""
        with selectors.DefaultSelector() as waiting:
            for process in processes:
                waiting.register(_readiness(process), selectors.EVENT_READ, process)
                self._fork(process)
            deadline = time.monotonic() + seconds
            while waiting.get_map():
                late = [key.data.label for key in waiting.get_map().values()]
                ready = waiting.select(max(0.0, min(0.2, deadline - time.monotonic())))
                for key, _ in ready:
                    endpoint = key.fileobj
                    assert isinstance(endpoint, socket.socket)
                    if b"READY=1" in endpoint.recv(4096):
                        waiting.unregister(endpoint)
                        endpoint.close()
                dead = self._reap()
                if dead:
                    raise SandboxFailed(f"{dead[0][0].label} did not start: {_last_line(dead[0][0].log)}")
                if not ready and time.monotonic() > deadline:
                    raise SandboxFailed(f"not ready after {seconds:.0f} s: {', '.join(late)}")

    def watch(self) -> None:
        """Restart processes that die, until SIGINT or SIGTERM arrives. Raises SandboxFailed."""
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        while signal.sigwait({*ENDING, signal.SIGCHLD}) not in ENDING:
            for process, killed in self._reap():
                if not killed:
                    self._count_crash(process)
                self._fork(process)

    def _count_crash(self, process: Process) -> None:
        now = time.monotonic()
        self._crashes = [moment for moment in self._crashes if now - moment < CRASH_WINDOW] + [now]
        if len(self._crashes) > CRASHES:
            raise SandboxFailed(f"{process.label} dies again and again: {_last_line(process.log)}")

    def stop(self, seconds: float = 8.0) -> None:
        """End all processes; kill those that do not end in time."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while self._running and time.monotonic() < deadline:
            self._reap()
            signal.sigtimedwait({signal.SIGCHLD}, 0.1)
        self._signal(signal.SIGKILL)
        for pid in tuple(self._running):
            os.waitpid(pid, 0)
            del self._running[pid]

    def _signal(self, number: int) -> None:
        for pid in self._running:
            os.kill(pid, number)

    def _reap(self) -> list[tuple[Process, bool]]:
        dead = []
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            process = self._running.pop(pid, None)
            if process is not None:
                dead.append((process, os.waitstatus_to_exitcode(status) == -signal.SIGKILL))
        return dead

    def _fork(self, process: Process) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become(process, parent)
        self._running[pid] = process
        (process.state / f"{process.name}.pid").write_text(f"{pid}\n")


def _readiness(process: Process) -> socket.socket:
    path = process.state / f"{process.name}.notify"
    path.unlink(missing_ok=True)
    endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    endpoint.bind(str(path))
    return endpoint


def _become(process: Process, parent: int) -> NoReturn:
    """Set up descriptors and environment as systemd does, then do the work; runs in the child."""
    status = 70
    try:
        _end_with(parent)
        # Objects awaiting garbage collection still hold descriptor numbers; in this child they will be other files.
        gc.freeze()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        # Ctrl-C goes to the sandbox, which ends its processes in order.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        handle = os.open(process.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        quiet = os.open(os.devnull, os.O_RDONLY)
        high = [fcntl.fcntl(listening.fileno(), fcntl.F_DUPFD, HIGH) for _, listening in process.sockets]
        for source, target in ((quiet, 0), (handle, 1), (handle, 2)):
            os.dup2(source, target)
        for number, source in enumerate(high):
            os.dup2(source, FIRST + number)
        os.closerange(FIRST + len(high), HIGH + 100)
        os.environ.update(
            LISTEN_PID=str(os.getpid()),
            LISTEN_FDS=str(len(high)),
            LISTEN_FDNAMES=":".join(name for name, _ in process.sockets),
            NOTIFY_SOCKET=str(process.state / f"{process.name}.notify"),
        )
        os.environ.pop("JOURNAL_STREAM", None)
        Path("/proc/self/comm").write_text(f"postroom-{process.name}"[:15])
        process.work()
        status = 0
    except SystemExit as ending:
        status = int(ending.code or 0) if not isinstance(ending.code, str) else 1
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)


def _end_with(parent: int) -> None:
    """Have the kernel end this process when the sandbox is killed; nothing else would."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # the sandbox has already died
        os._exit(70)


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "no log"
    return f"{lines[-1]} ({log})" if lines else f"no word in {log}"
