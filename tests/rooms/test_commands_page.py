"""The page of all commands is what the commands say themselves."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
specification = importlib.util.spec_from_file_location("commands_page", ROOT / "tools/commands_page.py")
assert specification
assert specification.loader
commands_page = importlib.util.module_from_spec(specification)
specification.loader.exec_module(commands_page)


def test_the_page_is_up_to_date() -> None:
    assert commands_page.PAGE.read_text() == commands_page.page(), (
        "run: .venv/bin/python tools/commands_page.py"
    )


def test_every_command_is_on_it() -> None:
    page = commands_page.page()
    for name in ("user passwd", "queue list", "queue retry", "store verify", "directory apply", "sandbox"):
        assert f"## postroom {name}\n" in page
