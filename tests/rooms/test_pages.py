"""Pages that come from the code are up to date, and serve the programs that read them."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import click
import pytest
from postroom.cli.main import main as postroom

from tools import commands_page, manual_page

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("tool", [commands_page, manual_page], ids=lambda tool: tool.__name__)
def test_the_page_is_up_to_date(tool: ModuleType) -> None:
    assert tool.PAGE.read_text() == tool.page(), "run: make docs"


def test_the_completion_is_up_to_date() -> None:
    assert manual_page.COMPLETION.read_text() == manual_page.completion(), "run: make docs"


@pytest.mark.parametrize(
    "name", ["user passwd", "queue list", "queue retry", "store verify", "directory apply", "sandbox"]
)
def test_every_command_is_on_both_pages(name: str) -> None:
    assert f"## postroom {name}\n" in commands_page.page()
    assert f".SS postroom {name} " in manual_page.page()


def test_man_understands_the_manual_page() -> None:
    shown = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", "-P-c", "-P-b", "-P-u", manual_page.PAGE],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stderr == ""
    text = " ".join(shown.stdout.split())
    assert (
        "postroom queue delete [OPTIONS] [ID]... Remove messages for good, without a report to their senders."
        in text
    )
    assert "EXIT STATUS 0 Done." in text


def test_what_troff_would_read_as_its_own_is_escaped() -> None:
    assert manual_page.text(r".\" it's `a-b`") == r"\&.\e" + r'" it\(aqs \(gaa\-b\(ga'


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["postroom", "qu"], {"queue"}),
        (["postroom", "queue", "re"], {"release", "retry"}),
        (["postroom", "user", "list", "--state", "d"], {"disabled", "deleted"}),
    ],
)
def test_bash_completes(words: list[str], expected: set[str]) -> None:
    script = (
        f'. {manual_page.COMPLETION}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1));'
        '_postroom_completion postroom; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    said = subprocess.run(
        ["bash", "-c", script, "bash", *words],
        env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert set(said.stdout.split()) == expected


def test_a_release_carries_manual_page_and_completion(tmp_path: Path) -> None:
    sys.path.insert(0, str(ROOT / "roles/release/files"))
    try:
        import build_release
    finally:
        sys.path.pop(0)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheel = build_release.own_wheel(ROOT, tmp_path / "place", tmp_path, pip, {})
    carried = {name.partition(".data/data/")[2] for name in ZipFile(wheel).namelist()}
    for file in (manual_page.PAGE, manual_page.COMPLETION):
        assert str(file.relative_to(ROOT / "agents")) in carried


def test_every_option_is_explained() -> None:
    for name, command in commands_page.commands():
        for option in commands_page.options(command):
            assert option.help, f"{name} {option.opts}"
        assert isinstance(command, click.Command)
        assert command.help, name
    assert len(list(commands_page.commands())) > len(postroom.list_commands(click.Context(postroom)))
