"""The table of attack classes names tests that exist, and every class has a row."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs/reference/attack-classes.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TABLE)))


def test_every_named_test_exists() -> None:
    assert len(NAMED) > 60
    for path, function in NAMED:
        text = (ROOT / path).read_text()
        assert re.search(rf"def {function or r'test_'}", text), (path, function)


def test_every_class_has_a_row_with_tests_or_a_reason() -> None:
    rows = re.findall(r"^\| (X\d+) \|(.*)\|$", TABLE, re.MULTILINE)
    assert [name for name, _ in rows] == [f"X{number}" for number in range(1, 38)]
    for name, row in rows:
        assert "`tests/" in row or row.rstrip().endswith("not built"), name


def test_tests_with_the_number_of_a_class_are_in_its_row() -> None:
    rows = dict(re.findall(r"^\| X(\d+) \|(.*)\|$", TABLE, re.MULTILINE))
    for path in (ROOT / "tests").rglob("test_*.py"):
        for number in re.findall(r"x(\d{2})_", path.name):
            assert str(path.relative_to(ROOT)) in rows[str(int(number))], path
