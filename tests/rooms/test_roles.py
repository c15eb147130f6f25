"""What every role promises: its form, and variables that say what they are."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
MAIN = {"ansible.builtin.import_tasks", "ansible.builtin.import_role"}
each_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def options(role: Path) -> dict[str, dict[str, Any]]:
    """Public variables by name."""
    found: dict[str, dict[str, Any]] = load(role / "meta/argument_specs.yml")["argument_specs"]["main"].get(
        "options", {}
    )
    return found


def defaults(role: Path) -> dict[str, Any]:
    path = role / "defaults/main.yml"
    return (load(path) or {}) if path.exists() else {}


@each_role
def test_defaults_and_argument_specs_agree(role: Path) -> None:
    specified = {
        name: option.get("default") for name, option in options(role).items() if not option.get("required")
    }
    assert defaults(role) == specified


@each_role
def test_every_variable_is_the_roles_own_and_explained(role: Path) -> None:
    for name, option in options(role).items():
        assert name.startswith(f"{role.name}_")
        assert option.get("type"), f"{name} has no type"
        assert option.get("description"), f"{name} has no description"


@each_role
def test_what_holds_secrets_is_not_logged(role: Path) -> None:
    words = ("secret", "password", "private_key", "dkim_keys", "_ca_key")
    for name, option in options(role).items():
        if any(word in name for word in words) and "path" not in (option["type"], option.get("elements")):
            assert option.get("no_log") is True, f"{name} is not marked no_log"


@each_role
def test_constants_are_marked_as_private(role: Path) -> None:
    path = role / "vars/main.yml"
    for name in (load(path) or {}) if path.exists() else {}:
        assert name.startswith(f"__{role.name}_")


@each_role
def test_the_main_file_only_imports(role: Path) -> None:
    for task in load(role / "tasks/main.yml"):
        assert set(task) & MAIN, f"{task['name']} is no import"


@each_role
def test_files_keep_their_budgets(role: Path) -> None:
    budgets = {"tasks": 80, "templates": 100, "handlers": 25, "defaults": 60, "vars": 40}
    for folder, lines in budgets.items():
        for file in (role / folder).rglob("*"):
            if file.is_file():
                assert len(file.read_text().splitlines()) <= lines, f"{file} is longer than {lines} lines"
    assert len((role / "README.md").read_text().splitlines()) <= 60


@each_role
def test_roles_do_not_pull_others_in(role: Path) -> None:
    assert not load(role / "meta/main.yml").get("dependencies")


@each_role
def test_no_role_reads_anothers_variables(role: Path) -> None:
    names = [other.name for other in ROLES if other.name != role.name]
    public = {name for other in ROLES if other.name in names for name in options(other)}
    texts = {
        file: file.read_text()
        for file in role.rglob("*")
        if file.suffix in (".yml", ".j2") and "meta" not in file.parts
    }
    handed = set(options(ROOT / "roles/agent")) | set(options(role))
    for file, text in texts.items():
        for name in public - handed:
            assert f"{{{{ {name} " not in text, f"{file} reads {name}"
