"""The life of an agent: arguments, settings, signals, readiness, workers, an orderly end.

An agent's `app.py` subclasses Agent and calls `run`. A single worker runs in the service's own process. Several workers
are forked and share the listening sockets; when one of them dies, the service ends and systemd starts it again.
"""

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic, NoReturn, TypeVar

import uvloop

from postroom import __version__
from postroom.runtime import notify as manager
from postroom.runtime import sockets, worker_count, workers
from postroom.runtime.clock import SystemClock
from postroom.runtime.config import ConfigError, Settings, load
from postroom.runtime.log import Log, share_of_lines
from postroom.runtime.shared_counters import SharedCounter, SharedCounters
from postroom.runtime.start_failures import StartFailures

EX_SOFTWARE = 70
EX_CONFIG = 78
C = TypeVar("C", bound=Settings)


class Service:
    """What the runtime provides to an agent."""

    def __init__(
        self,
        log: Log,
        listening: dict[str, list[socket.socket]],
        worker: int,
        workers: int,
        counters: SharedCounters,
    ) -> None:
        self.log = log
        self.clock = SystemClock()
        self.worker = worker  # number of this worker, from 1
        self.workers = workers
        self._listening = listening
        self._counters = counters

    def sockets(self, name: str) -> list[socket.socket]:
        """Return the listening sockets with that name; empty if neither systemd nor the settings give any."""
        return self._listening.get(name, [])

    def counter(self, kind: str) -> SharedCounter:
        """Return the shared counter of this kind, one of the agent's `counters`."""
        return self._counters.seen_by(self.worker, kind)

    def share(self, amount: int) -> int:
        """Return this worker's part of an amount that the settings give for the whole agent; at least one."""
        return max(1, amount // self.workers)

    def fail(self, text: str) -> NoReturn:
        """Log one line and end the process at once: going on would break a promise (after a failed fsync, say)."""
        self.log.error(text)
        os._exit(EX_SOFTWARE)


class Agent(ABC, Generic[C]):
    """One of the mail system's processes. Subclasses create their objects in `start`."""

    name: ClassVar[str]
    settings: ClassVar[type[Settings]]
    counters: ClassVar[tuple[str, ...]] = ()  # kinds of shared counters that the agent needs

    def __init__(self, config: C, service: Service) -> None:
        self.config = config
        self.service = service
        self.log = service.log

    @abstractmethod
    async def start(self) -> None:
        """Create all objects and begin to serve. Raises ConfigError or OSError: the service ends with one line."""

    async def reload(self, config: C) -> None:
        """Apply changed settings and read the certificates again."""
        self.config = config

    async def drain(self) -> None:
        """Stop accepting and finish the work in progress."""

    @staticmethod
    def check(config: Any) -> None:
        """Check what `--check-config` looks at beyond the settings themselves. Raises ConfigError."""


def run(agent: type[Agent[Any]], arguments: list[str] | None = None) -> NoReturn:
    """Run an agent as a console script. Never returns."""
    options = _arguments(agent, arguments)
    faults = StartFailures()
    try:
        config = load(options.config, agent.settings)
        if options.check_config:
            agent.check(config)
            print(f"{options.config}: ok")
            sys.exit(0)
        listening = _listening(config)
    except ConfigError as error:
        if options.check_config:
            print(error, file=sys.stderr)
        else:
            Log(agent.name).error(str(error))
            faults.failed()
        sys.exit(EX_CONFIG)

    count, reason = _worker_count(config)
    counters = SharedCounters(agent.counters, count)

    def work(number: int, notify: Callable[..., None]) -> int:
        log = Log(agent.name, config.log_level, lines_per_second=share_of_lines(count))
        service = Service(log, listening, number, count, counters)
        return uvloop.run(_live(agent, config, service, options.config, notify))

    log = Log(agent.name, config.log_level)

    def ready() -> None:
        nonlocal reason
        faults.overcome()
        if reason:
            log.info(reason)
            reason = ""

    status = workers.supervise(count, work, config.drain_seconds, log.error, ready)
    if status == EX_CONFIG:
        faults.failed()
    sys.exit(status)


def _worker_count(config: Settings) -> tuple[int, str]:
    """Return the number of workers, and the reason if the settings do not give it."""
    if config.workers:
        return config.workers, ""
    capacity = worker_count.find_capacity()
    return worker_count.workers_in(capacity), worker_count.reason(capacity)


def _arguments(agent: type[Agent[Any]], arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"postroom-{agent.name}",
        description=(agent.__doc__ or "").strip(),
        epilog="SIGHUP reads settings and certificates again, SIGTERM ends after what is under way.",
    )
    parser.add_argument("--config", default=f"/etc/postroom/{agent.name}.toml", help="settings (%(default)s)")
    parser.add_argument("--check-config", action="store_true", help="judge the settings and end")
    parser.add_argument("--version", action="version", version=f"postroom {__version__}")
    # Ansible's `validate:` passes the file as the only argument.
    parser.add_argument("file", nargs="?", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.config = options.file or options.config
    return options


def _listening(config: Settings) -> dict[str, list[socket.socket]]:
    listening = manager.inherited_sockets()
    for name, addresses in config.listen.items():
        if name not in listening:
            listening[name] = [sockets.bind(address) for address in addresses]
    return listening


async def _live(
    agent: type[Agent[Any]], config: Settings, service: Service, path: str, notify: Callable[..., None]
) -> int:
    loop = asyncio.get_running_loop()
    ending, reloading = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ending.set)
    loop.add_signal_handler(signal.SIGINT, ending.set)
    loop.add_signal_handler(signal.SIGHUP, reloading.set)
    loop.set_exception_handler(lambda _, context: service.log.error(_context(context)))
    running = agent(config, service)
    try:
        await running.start()
    except (ConfigError, OSError) as error:
        notify(workers.fault(str(error)))
        return EX_CONFIG
    except Exception as error:
        notify(workers.fault(f"cannot start: {where(error)}"))
        return EX_CONFIG
    gc.collect()
    gc.freeze()  # exclude objects that live as long as the process from garbage collection
    notify("READY=1")
    service.log.info(f"ready, version {__version__}")
    watchdog = asyncio.ensure_future(_send_watchdog(notify))
    while not ending.is_set():
        await _either(ending, reloading)
        if reloading.is_set() and not ending.is_set():
            reloading.clear()
            notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            await _reload(running, path)
            notify("READY=1")
    notify("STOPPING=1")
    watchdog.cancel()
    try:
        await asyncio.wait_for(running.drain(), config.drain_seconds + 5)
    except TimeoutError:
        service.log.warning("not all work was finished in time; it stays in the queue or with the client")
    service.log.info("ended")
    return 0


async def _reload(running: Agent[Any], path: str) -> None:
    try:
        await running.reload(load(path, type(running).settings))
        running.log.info("settings and certificates read again")
    except (ConfigError, OSError) as error:
        running.log.error(f"going on with the old settings: {error}")


async def _either(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


async def _send_watchdog(notify: Callable[..., None]) -> None:
    interval = manager.watchdog_interval()
    with contextlib.suppress(asyncio.CancelledError):
        while interval is not None:
            notify("WATCHDOG=1")
            await asyncio.sleep(interval)


def where(error: BaseException) -> str:
    """Describe an unexpected exception in one line: its type, its text, and the place in our code."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename.rpartition('postroom/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def _context(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"{context.get('message', 'error')}: {where(error)}" if error else str(context.get("message"))
