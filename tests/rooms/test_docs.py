"""What the pages name exists: links, commands, variables, ports, files; and what exists is on the pages."""

import re
from pathlib import Path

import click
import pytest
import yaml
from postroom.cli.main import main

from ..agents import AGENTS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "roles").glob("*/README.md")),
]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs/guide").glob("*.md"))]
SAMPLES = [*(ROOT / "inventory").rglob("*.yml"), *(ROOT / "tools/inventory").rglob("*.j2")]
HOST = ROOT / "docs/reference/host.md"
# Of hosts, of Ansible, of Dovecot.
OTHERS = {"host_ipv4", "host_ipv6", "host_private_ipv4", "host_vars", "auth_master_user_separator"}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
each_guide = pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)


def code(page: Path) -> list[str]:
    """All that stands as code: blocks and words."""
    text = page.read_text()
    blocks = re.findall(r"```.*?\n(.*?)```", text, re.DOTALL)
    return [*blocks, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))]


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@each_guide
def test_commands_exist(page: Path) -> None:
    context = click.Context(main)
    for group, command in re.findall(r"(?<!inet )\bpostroom ([a-z]+)(?: ([a-z]+))?", "\n".join(code(page))):
        found = main.get_command(context, group)
        assert found is not None, f"{page.name} names postroom {group}"
        if command and isinstance(found, click.Group):
            assert command in found.list_commands(context), f"{page.name} names postroom {group} {command}"


@each_guide
def test_variables_exist(page: Path) -> None:
    known: set[str] = set()
    for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"):
        known |= set(yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"])
    named = re.findall(rf"\b(?:{'|'.join(AGENTS)}|tls|host)_[a-z_0-9]+", "\n".join(code(page)))
    assert set(named) <= known | OTHERS


@each_guide
def test_playbooks_exist(page: Path) -> None:
    for path in re.findall(r"\bplaybooks/[a-z_]+\.yml\b", "\n".join(code(page))):
        assert (ROOT / path).exists(), f"{page.name} names {path}"


@pytest.mark.parametrize("page", [*PAGES, *SAMPLES], ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_name_their_inventory(page: Path) -> None:
    """Without -i they would be about the demo."""
    for command in re.findall(r"\bansible(?:-playbook)? [^`\n]*", page.read_text()):
        if "playbook" not in command.split()[0] or ".yml" in command:
            assert re.search(r" (-i|--inventory)[ =]", command), f"{page.name}: {command}"


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs/README.md"
    linked = {(index.parent / target) for target in re.findall(r"\]\(([^)#:]+)", index.read_text())}
    pages = {
        path for path in (ROOT / "docs").rglob("*.md") if path != index and path.parent.name != "decisions"
    }
    assert pages <= linked


def test_the_ports_of_a_host_are_on_its_page() -> None:
    """Those of SSH and DNS, and the defaults of all agents."""
    opened = {22, 53}
    for path in (ROOT / "roles").glob("*/defaults/main.yml"):
        for name, value in (yaml.safe_load(path.read_text()) or {}).items():
            if re.match(r"[a-z0-9]+_listen_", name):
                opened |= {int(address.rpartition(":")[2]) for address in value}
    assert len(opened) > 8
    assert sorted(map(int, re.findall(r"^\| (\d+)", HOST.read_text(), re.MULTILINE))) == sorted(opened)


def test_the_files_of_a_host_are_on_its_page() -> None:
    """A path in a role is named there, or lies in a folder that is, or is a folder of what is."""
    named = [re.split(r"NAME|\*", path)[0] for path in re.findall(r"`(/[^`]+)`", HOST.read_text())]
    assert {
        path
        for path in written()
        if not any(path.startswith(name) or name.startswith(path) for name in named)
    } == set()


def written() -> set[str]:
    """Return what the roles write: all that is Postroom's, and files of Debian that they replace."""
    ours = r"(?<![\w/.])(?:/etc|/opt|/var/lib|/run)/postroom[\w/.-]*\w"
    debian = r"(?:path|dest): \"?(/(?:etc|usr)/[\w/.-]+\w)"
    found: set[str] = set()
    for file in (ROOT / "roles").glob("*/*/**/*"):
        if file.parts[len(ROOT.parts) + 2] in {"tasks", "vars", "defaults", "templates"} and file.is_file():
            text = file.read_text().replace("{{ __agent_unit }}", "postroom-NAME")
            found |= {*re.findall(ours, text), *re.findall(debian, text)}
    assert len(found) > 20
    return found


def test_the_files_on_the_page_are_those_of_the_roles() -> None:
    texts = "\n".join(
        file.read_text() for file in (ROOT / "roles").rglob("*") if file.is_file() and file.suffix != ".md"
    )
    for path in re.findall(r"`(/(?:etc|var|run)/[^`]+)`", HOST.read_text()):
        stem = re.split(r"NAME|postroom-\*|postroom\*", path)[0].rstrip("/")
        assert stem in texts or stem == "/etc/hostname", path


def test_pages_start_all_agents_in_the_order_of_the_table() -> None:
    lists = [
        names
        for page in PAGES
        for names in re.findall(r"systemctl start postroom-\{([^}]*)\}", page.read_text())
    ]
    assert lists
    assert {tuple(names.split(",")) for names in lists} == {AGENTS}


def test_the_readme_shows_every_agent_and_its_role() -> None:
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| ")]
    for agent in AGENTS:
        assert any(f"`{agent}`" in row or f"[{agent}]" in row for row in rows) or agent == "auth", agent
    assert "[auth]" in (ROOT / "README.md").read_text()
