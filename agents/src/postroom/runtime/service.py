"""The life of an agent: arguments, settings, signals, readiness, workers, an orderly end.

An agent's `app.py` subclasses Agent and calls `run`. One worker runs in the service's own process; more are
forked, share the listening sockets, and the service ends when one of them dies, so that systemd starts all anew.
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
from postroom.runtime import headcount, sockets, workers
from postroom.runtime import notify as manager
from postroom.runtime.clock import SystemClock
from postroom.runtime.config import ConfigError, Settings, load
from postroom.runtime.crowd import Crowd, Crowds
from postroom.runtime.faults import Faults
from postroom.runtime.log import Log, share_of_lines

EX_SOFTWARE = 70
EX_CONFIG = 78
C = TypeVar("C", bound=Settings)


class Service:
    """What an agent gets from its surroundings."""

    def __init__(
        self, log: Log, listening: dict[str, list[socket.socket]], worker: int, workers: int, crowds: Crowds
    ) -> None:
        self.log = log
        self.clock = SystemClock()
        self.worker = worker  # its number, from 1
        self.workers = workers
        self._listening = listening
        self._crowds = crowds

    def sockets(self, name: str) -> list[socket.socket]:
        """The listening sockets of that name; empty when neither systemd nor the settings give any."""
        return self._listening.get(name, [])

    def crowd(self, kind: str) -> Crowd:
        """The crowd of this kind, one of the agent's `crowds`, as it is counted over all workers."""
        return self._crowds.seen_by(self.worker, kind)

    def share(self, amount: int) -> int:
        """What this worker may have of something that the settings count for the whole agent; at least one."""
        return max(1, amount // self.workers)

    def fail(self, text: str) -> NoReturn:
        """End the process at once with one line: going on would break a promise (a failed fsync, say)."""
        self.log.error(text)
        os._exit(EX_SOFTWARE)


class Agent(ABC, Generic[C]):
    """One of the mail system's processes. Subclasses wire their parts in `start`."""

    name: ClassVar[str]
    settings: ClassVar[type[Settings]]
    crowds: ClassVar[tuple[str, ...]] = ()  # kinds of crowds that its workers count together

    def __init__(self, config: C, service: Service) -> None:
        self.config = config
        self.service = service
        self.log = service.log

    @abstractmethod
    async def start(self) -> None:
        """Open what is needed and begin to serve. Raises ConfigError or OSError: the service ends with one line."""

    async def reload(self, config: C) -> None:
        """Take over changed settings and read certificates again."""
        self.config = config

    async def drain(self) -> None:
        """Accept nothing more and finish what is under way."""

    @staticmethod
    def check(config: Any) -> None:
        """What `--check-config` looks at besides the settings themselves. Raises ConfigError."""


def run(agent: type[Agent[Any]], arguments: list[str] | None = None) -> NoReturn:
    """The console script of an agent. Never returns."""
    options = _arguments(agent, arguments)
    faults = Faults()
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

    count, why = _headcount(config)
    crowds = Crowds(agent.crowds, count)

    def work(number: int, tell: Callable[..., None]) -> int:
        log = Log(agent.name, config.log_level, lines_per_second=share_of_lines(count))
        service = Service(log, listening, number, count, crowds)
        return uvloop.run(_live(agent, config, service, options.config, tell))

    log = Log(agent.name, config.log_level)

    def ready() -> None:
        nonlocal why
        faults.overcome()
        if why:
            log.info(why)
            why = ""

    status = workers.supervise(count, work, config.drain_seconds, log.error, ready)
    if status == EX_CONFIG:
        faults.failed()
    sys.exit(status)


def _headcount(config: Settings) -> tuple[int, str]:
    """How many workers there will be, and why where the settings do not say."""
    if config.workers:
        return config.workers, ""
    room = headcount.find_room()
    return headcount.workers_in(room), headcount.reason(room)


def _arguments(agent: type[Agent[Any]], arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"postroom-{agent.name}",
        description=(agent.__doc__ or "").strip(),
        epilog="SIGHUP reads settings and certificates again, SIGTERM ends after what is under way.",
    )
    parser.add_argument("--config", default=f"/etc/postroom/{agent.name}.toml", help="settings (%(default)s)")
    parser.add_argument("--check-config", action="store_true", help="judge the settings and end")
    parser.add_argument("--version", action="version", version=f"postroom {__version__}")
    # Ansible's validate: hands the file over as the only argument
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
    agent: type[Agent[Any]], config: Settings, service: Service, path: str, tell: Callable[..., None]
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
        tell(workers.fault(str(error)))
        return EX_CONFIG
    except Exception as error:
        tell(workers.fault(f"cannot start: {where(error)}"))
        return EX_CONFIG
    gc.collect()
    gc.freeze()  # what lives for ever need not be looked at by every collection
    tell("READY=1")
    service.log.info(f"ready, version {__version__}")
    watchdog = asyncio.ensure_future(_signs_of_life(tell))
    while not ending.is_set():
        await _either(ending, reloading)
        if reloading.is_set() and not ending.is_set():
            reloading.clear()
            tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            await _reload(running, path)
            tell("READY=1")
    tell("STOPPING=1")
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


async def _signs_of_life(tell: Callable[..., None]) -> None:
    interval = manager.watchdog_interval()
    with contextlib.suppress(asyncio.CancelledError):
        while interval is not None:
            tell("WATCHDOG=1")
            await asyncio.sleep(interval)


def where(error: BaseException) -> str:
    """An unexpected error in one line: its type, its text, and the place in our code."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename.rpartition('postroom/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def _context(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"{context.get('message', 'error')}: {where(error)}" if error else str(context.get("message"))
