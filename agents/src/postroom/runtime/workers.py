"""The worker processes of a service: one in this process, or several forked before the event loop exists."""

import gc
import os
import selectors
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from postroom.runtime import notify as manager

Notify = Callable[..., None]
Work = Callable[[int, Notify], int]
FAULT = "FAULT="  # not a state of systemd's: tells the parent why a worker cannot start
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_LONGEST = 2000  # octets of a fault's text, so that it fits into one write


def supervise(
    count: int, work: Work, drain_seconds: float, log_error: Callable[[str], None], ready: Callable[[], None]
) -> int:
    """Run `work(number, notify)` in `count` processes and return an exit status.

    `log_error` gets a line about a worker that was killed, and each fault that workers report, once even if all of them
    report it. `ready` is called when all workers are ready, before the manager is notified.
    """

    def notify(*states: str) -> None:
        for fault in _faults(states):
            log_error(fault)
            return
        if "READY=1" in states:
            ready()
        manager.notify(*states)

    if count == 1:
        return work(1, notify)
    return _Supervisor(count, work, drain_seconds, log_error, notify).run()


class _Supervisor:
    """The parent process: passes signals on, collects readiness, ends all workers when one dies."""

    def __init__(
        self, count: int, work: Work, drain_seconds: float, log_error: Callable[[str], None], notify: Notify
    ) -> None:
        self._log_error = log_error
        self._notify = notify
        self._selector = selectors.DefaultSelector()
        self._pids: dict[int, int] = {}  # pid to worker number
        self._ready: set[int] = set()
        self._reload_due = False  # for workers that cannot handle SIGHUP yet: it would kill them
        self._alive: dict[int, float] = {}
        self._faults: set[str] = set()
        self._status = 0
        self._ending = False
        self._deadline = drain_seconds + 10
        self._watched, self._held = os.pipe()  # closes when this process ends, for whatever reason
        self._catch_signals()
        gc.collect()
        gc.freeze()  # a collection writes to every object it visits, which would unshare the memory pages
        for number in range(1, count + 1):
            self._fork(number, work)

    def _catch_signals(self) -> None:
        wake, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
        self._selector.register(wake, selectors.EVENT_READ, 0)

    def _fork(self, number: int, work: Work) -> None:
        read_end, write_end = os.pipe()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for caught in _SIGNALS:
                signal.signal(caught, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        if pid == 0:
            os.close(read_end)
            os.close(self._held)
            threading.Thread(target=_end_after, args=(self._watched,), daemon=True).start()
            status = work(number, lambda *states: _send_states(write_end, states))
            os._exit(status)
        os.close(write_end)
        self._pids[pid] = number
        self._selector.register(read_end, selectors.EVENT_READ, number)

    def run(self) -> int:
        while self._pids:
            for key, _ in self._selector.select():
                octets = os.read(key.fd, 4096)
                if key.data == 0:
                    for received in octets:
                        self._handle_signal(received)
                elif octets:
                    self._handle_states(key.data, octets.decode(errors="replace").split("\n"))
                else:
                    self._selector.unregister(key.fd)
        for key in tuple(self._selector.get_map().values()):
            if key.data:  # last messages of workers that have ended
                self._handle_states(key.data, os.read(key.fd, 4096).decode(errors="replace").split("\n"))
        return self._status

    def _handle_signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            manager.notify("STOPPING=1")
            self._end()
        elif number == signal.SIGHUP:
            self._reload_due = True
            self._reload()
        elif number == signal.SIGALRM:
            self._send(signal.SIGKILL)
        elif number == signal.SIGCHLD:
            self._reap()

    def _reap(self) -> None:
        while self._pids:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = self._pids.pop(pid, 0)
            if not self._ending:
                code = os.waitstatus_to_exitcode(status)
                if code < 0:
                    name = signal.Signals(-code).name
                    self._log_error(f"worker {number} (process {pid}) was killed by {name}: ending them all")
                self._status = code or 1
                self._end()

    def _reload(self) -> None:
        if self._reload_due and len(self._ready) == len(self._pids):
            self._reload_due = False
            self._send(signal.SIGHUP)

    def _end(self) -> None:
        if not self._ending:
            self._ending = True
            signal.signal(signal.SIGALRM, lambda *_: None)
            signal.setitimer(signal.ITIMER_REAL, self._deadline)
            self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        for pid in self._pids:
            os.kill(pid, number)

    def _handle_states(self, worker: int, states: list[str]) -> None:
        for fault in _faults(states):
            if fault not in self._faults:
                self._faults.add(fault)
                self._log_error(fault)
        if "READY=1" in states:
            self._ready.add(worker)
            if len(self._ready) == len(self._pids):
                self._notify("READY=1")
                self._reload()
        if "WATCHDOG=1" in states:
            self._alive[worker] = time.monotonic()
            interval = manager.watchdog_interval() or 0.0
            if (
                len(self._alive) == len(self._pids)
                and min(self._alive.values()) > time.monotonic() - 2 * interval
            ):
                manager.notify("WATCHDOG=1")


def fault(text: str) -> str:
    """Return the state that tells the parent why a worker cannot start."""
    return FAULT + " ".join(text[:_LONGEST].split("\n"))


def _faults(states: Iterable[str]) -> list[str]:
    return [state.removeprefix(FAULT) for state in states if state.startswith(FAULT)]


def _send_states(pipe: int, states: tuple[str, ...]) -> None:
    with suppress(BrokenPipeError):  # the parent was killed
        os.write(pipe, ("\n".join(states) + "\n").encode())


def _end_after(watched: int) -> None:
    """End a worker, from a thread of it, in an orderly way when the parent has died, since no signal will come."""
    os.read(watched, 1)
    os.kill(os.getpid(), signal.SIGTERM)
