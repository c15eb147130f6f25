"""The locks hold what the agents, the controller and the tests ask for, with hashes."""

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "requirements").glob("*.txt"))
REQUIREMENTS = [lock.replace(".txt", ".in") for lock in LOCKS if lock != "requirements/agents.txt"]


def entries(lock: str) -> dict[str, tuple[str, list[str]]]:
    """Package to version and hashes."""
    found = {}
    for entry in re.split(r"\n(?=\S)", (ROOT / lock).read_text()):
        head = re.match(r"([A-Za-z0-9._-]+)==(\S+)(?: ; ([^\\\n]+))?", entry)
        if head and (head[3] is None or Marker(head[3].strip()).evaluate()):
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


@pytest.mark.parametrize("requirements", REQUIREMENTS)
def test_every_requirement_is_locked(requirements: str) -> None:
    locked = entries(requirements.replace(".in", ".txt"))
    for line in (ROOT / requirements).read_text().splitlines():
        if line and not line.startswith(("#", "-r ")):
            wanted = Requirement(line.partition("#")[0].strip())
            version, _ = locked[canonicalize_name(wanted.name)]
            assert wanted.specifier.contains(version), f"{wanted} is locked at {version}"


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        ("agents", "controller"),
        ("agents.build", "controller"),
        ("controller", "develop"),
        ("installer", "develop"),
    ],
)
def test_a_package_has_one_version_in_all_locks(part: str, whole: str) -> None:
    assert entries(f"requirements/{part}.txt").items() <= entries(f"requirements/{whole}.txt").items()


def test_an_installation_lacks_the_tools_of_tests() -> None:
    locked = entries("requirements/controller.txt")
    assert {"ansible-core", "jinja2", "aiosmtpd", "libpass"} <= set(locked)
    assert not {"ansible", "ansible-lint", "molecule", "pytest", "pytest-testinfra", "mypy"} & set(locked)


def test_the_collections_that_are_unpacked_are_those_that_are_used() -> None:
    used = set()
    for folder in ("playbooks", "roles", "molecule"):
        for path in (ROOT / folder).rglob("*.yml"):
            used |= {word for word in modules(yaml.safe_load(path.read_text())) if word != "ansible.builtin"}
    assert used == set(load_tool("unpack_collections").COLLECTIONS)


def modules(node: object) -> set[str]:
    """Collections that the keys of tasks name."""
    if isinstance(node, list):
        return set().union(*map(modules, node))
    if not isinstance(node, dict):
        return set()
    named = {
        key.rpartition(".")[0] for key in node if re.fullmatch(r"[a-z_]+\.[a-z_]+\.[a-z0-9_]+", str(key))
    }
    return named.union(*map(modules, node.values()))


def load_tool(name: str) -> ModuleType:
    """Import a script of tools/."""
    specification = importlib.util.spec_from_file_location(name, ROOT / f"tools/{name}.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
