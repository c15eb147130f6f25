"""The locks that releases are built from hold what the agents ask for, with hashes."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements/agents.txt", "requirements/agents.build.txt")


def entries(lock: str) -> dict[str, tuple[str, list[str]]]:
    """Package to version and hashes."""
    found = {}
    for entry in re.split(r"\n(?=\S)", (ROOT / lock).read_text()):
        head = re.match(r"([A-Za-z0-9._-]+)==(\S+)", entry)
        if head:
            found[canonicalize_name(head[1])] = (head[2], re.findall(r"--hash=sha256:([0-9a-f]{64})", entry))
    return found


def test_every_dependency_of_the_agents_is_locked() -> None:
    project = tomllib.loads((ROOT / "agents/pyproject.toml").read_text())["project"]
    locked = entries("requirements/agents.txt")
    for text in project["dependencies"]:
        wanted = Requirement(text)
        version, _ = locked[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version), f"{wanted} is locked at {version}"


def test_what_builds_a_release_is_locked() -> None:
    build = tomllib.loads((ROOT / "agents/pyproject.toml").read_text())["build-system"]["requires"]
    locked = entries("requirements/agents.build.txt")
    assert "pip" in locked
    for text in build:
        wanted = Requirement(text)
        assert wanted.specifier.contains(locked[canonicalize_name(wanted.name)][0])


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_has_hashes(lock: str) -> None:
    found = entries(lock)
    assert found
    assert [package for package, (_, hashes) in found.items() if not hashes] == []
