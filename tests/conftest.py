"""What several kinds of tests share."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from . import sound_accounts
from .amounts import SOAK
from .clients import wait_for

POSTROOM = Path(sys.executable).with_name("postroom")


# In ordinary runs every draw is the same one, and no draw is judged by the clock of a busy machine. `make soak` draws
# anew, and so does `--hypothesis-profile=chance`.
settings.register_profile(
    "same", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "chance", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("chance" if SOAK else "same")


@pytest.fixture(autouse=True)
def accounts_are_sound(request: pytest.FixtureRequest) -> Iterator[None]:
    """Verify every account below the test's folder, when its stores and agents are closed.

    Autouse fixtures are set up first, so this one ends after those of the test. A test that damages an account on
    purpose names the kinds of findings: `@pytest.mark.damages("file missing")`. It fails when it has not.
    """
    if "tmp_path" not in request.fixturenames:
        yield
        return
    folder: Path = request.getfixturevalue("tmp_path")
    yield
    mark = request.node.get_closest_marker("damages")
    sound_accounts.check(folder, frozenset(mark.args if mark else ()))


class Sandbox:
    """A running `postroom sandbox`: what it reports, and its processes by name."""

    def __init__(self, process: subprocess.Popen[str], report: dict[str, Any]) -> None:
        self.process = process
        self.ca: str = report["ca"]
        self.domains: dict[str, dict[str, Any]] = report["domains"]

    def port(self, domain: str, service: str) -> tuple[str, int]:
        """Host and port of a listener."""
        _, _, port = self.domains[domain][service].rpartition(":")
        return "127.0.0.1", int(port)

    def password(self, address: str) -> str:
        """A person's password."""
        people = self.domains[address.rpartition("@")[2]]["users"]
        return next(person["password"] for person in people if person["address"] == address)

    def folder(self, domain: str) -> Path:
        """The domain's folder: etc, run, var."""
        return Path(self.domains[domain]["directory"])

    def pid(self, domain: str, agent: str) -> int:
        """The process id of an agent as it is now; its file is empty for a moment while another is started."""
        return int(wait_for((self.folder(domain) / "run" / f"{agent}.pid").read_text))

    def pids(self, domain: str, agent: str) -> list[int]:
        """The process ids of an agent and its workers."""
        parent = self.pid(domain, agent)
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [parent, *map(int, children)]

    def log(self, domain: str, agent: str) -> str:
        """What an agent has said so far."""
        return (self.folder(domain) / "run" / f"{agent}.log").read_text()


@pytest.fixture(scope="session")
def start_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes: `start_sandbox("--user", "ada@alpha.example:secret", ...)`; all end with the session."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> Sandbox:
        # sockets have short paths: pytest's own temporary folders are too long for them
        process = subprocess.Popen(
            [POSTROOM, "sandbox", "--json", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": "/tmp"},
        )
        running.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the sandbox ended with {process.wait()}"
        return Sandbox(process, json.loads(line))

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
    for process in running:
        process.wait(60)


@pytest.fixture(scope="session")
def sandbox(start_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """Two domains with a few people, shared by all tests of the session."""
    people = ("ada@alpha.example", "bob@alpha.example", "eve@beta.example", "dan@beta.example")
    arguments = [part for address in people for part in ("--user", f"{address}:secret of {address[:3]}")]
    return start_sandbox(
        *arguments,
        "--set",
        'mta.trusted_clients=["127.0.0.0/8"]',
        "--set",
        "relay.retry_minimum=1",
        "--set",
        "relay.retry_maximum=5",
    )
