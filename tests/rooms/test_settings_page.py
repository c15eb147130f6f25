"""The page of all settings is what the roles and the agents say."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
specification = importlib.util.spec_from_file_location("settings_page", ROOT / "tools/settings_page.py")
assert specification
assert specification.loader
settings_page = importlib.util.module_from_spec(specification)
specification.loader.exec_module(settings_page)


def test_the_page_is_up_to_date() -> None:
    assert settings_page.PAGE.read_text() == settings_page.page(), "run: make docs"


@pytest.mark.parametrize(
    "line",
    [
        "| `imap_max_connections_per_client` | `50` | 1 or more |",
        "| `auth_failures_per_client` | `30` | 1 or more |",
        "| `mta_workers` | `0` | 0 to 64 |",
        "| `mta_max_recipients` | `1000` | 100 or more |",
        "| `relay_retry_minimum` | `300` | above 0, at most 14,400 |",
        "| `imap_login_timeout` | `60` | 0.1 to 31,536,000 |",
        "| `workers` | auth | one process",
    ],
)
def test_ranges_are_those_of_the_agents(line: str) -> None:
    assert line in settings_page.PAGE.read_text()
