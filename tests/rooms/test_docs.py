"""What the pages name exists: files that they link to, commands, variables."""

import re
from pathlib import Path

import click
import pytest
import yaml
from postroom.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs/guide").glob("*.md"))]
AGENTS = ("auth", "imap", "mda", "msa", "mta", "pop3", "relay")
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
    for group, command in re.findall(r"\bpostroom ([a-z]+)(?: ([a-z]+))?", "\n".join(code(page))):
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
    assert set(named) <= known | {"host_ipv4", "host_ipv6"}


@each_guide
def test_playbooks_exist(page: Path) -> None:
    for path in re.findall(r"\bplaybooks/[a-z_]+\.yml\b", "\n".join(code(page))):
        assert (ROOT / path).exists(), f"{page.name} names {path}"
