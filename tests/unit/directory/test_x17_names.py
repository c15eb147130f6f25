"""X17: whatever is asked for, only the right spelling of an address finds its account."""

import random
from pathlib import Path

import pytest
from postroom.directory.reader import SqliteDirectory

from ...amounts import amount
from .test_reader import write

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]
ADDRESS = "ada@a.example"
PIECES = [
    "'", '"', "`", ";", "--", "/*", "*/", "\\", "%", "_", "*", "?", "\0", "\n", " ", "ada", "a.example", "@", "+x", "OR",
    "1=1", "UNION SELECT", "x'616461'", "ADA", "\u0430da", "ada\u0301", "\uff21da", "\ud800", "char(97)", "||", "(", ")",
    "GLOB", "NULL", ":account", "@name", "$1", "?1", "\u200bada", "ada\u00ad",
]  # fmt: skip


def is_right(name: str) -> bool:
    """Whether somebody may find ada by it: her address in any case of ASCII letters."""
    return name.isascii() and name.lower() == ADDRESS


async def test_generated_names_match_nobody(tmp_path: Path) -> None:
    path, chance = tmp_path / "directory.db", random.Random(17)
    write(path, "ada")
    directory = SqliteDirectory(path)
    assert await directory.login(ADDRESS) is not None
    for _ in range(amount(3000, 100_000)):
        name = "".join(chance.choices(PIECES, k=chance.randrange(1, 7)))
        if chance.random() < 0.3:
            name += "@a.example"
        if not is_right(name):
            assert await directory.login(name) is None, name
            assert name == "ada" or await directory.account(name) is None, name
