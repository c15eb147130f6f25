"""Tests on running hosts, over SSH. A failing test prints the end of the host's journal."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.utils.ansible_runner import AnsibleRunner

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = ROOT / "inventory" / "demo"
KEY = ROOT / "build" / "ssh" / "id_ed25519"
FAILURES = ROOT / "build" / "hosts-failed.txt"
JOURNAL_LINES = 60
SECONDS = 900  # for one test: hosts are killed, rebooted and played upon, on machines of any speed


def pytest_configure(config: pytest.Config) -> None:
    """Use the demo's inventory, and say plainly how its hosts are reached: testinfra reads templates as they stand."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    if not config.option.ansible_inventory:
        config.option.ansible_inventory = str(INVENTORY)
    runner = AnsibleRunner.get_runner(config.option.ansible_inventory)
    for variables in runner.inventory["_meta"]["hostvars"].values():
        variables["ansible_host"] = variables["host_ipv4"]
        variables["ansible_ssh_private_key_file"] = str(KEY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    host = getattr(item, "funcargs", {}).get("host")
    if report.when == "call" and report.failed and host is not None:
        journal = host.run("journalctl --no-pager --lines %s", str(JOURNAL_LINES))
        report.sections.append((f"journal of {host.backend.get_pytest_id()}", journal.stdout))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Keep what failed in a file: Molecule says much behind it, and who reads only the end has to see it too."""
    failed = terminalreporter.getreports("failed") + terminalreporter.getreports("error")
    lines = [f"{report.nodeid}\n{report.longreprtext}\n" for report in failed]
    lines += [f"FAILED {report.nodeid}: {report.longreprtext.splitlines()[-1]}" for report in failed]
    FAILURES.parent.mkdir(exist_ok=True)
    FAILURES.write_text("\n".join(lines))


@pytest.fixture(scope="session")
def reach(request: pytest.FixtureRequest) -> Any:
    """A second host beside the one under test: `reach("mail.beta.example")`."""

    def get(name: str) -> Any:
        return testinfra.get_host(
            f"ansible://{name}", ansible_inventory=request.config.option.ansible_inventory
        )

    return get


@pytest.fixture
def name(host: Any) -> str:
    """Full name of the host under test."""
    return str(host.check_output("hostname"))
