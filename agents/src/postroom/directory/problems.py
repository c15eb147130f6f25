"""The faults of a document, described so that its author can correct them."""

from typing import NamedTuple

SHOWN = 80  # characters of a value


class Problem(NamedTuple):
    """One fault: its path, the value found there, and what would be right."""

    path: str  # accounts[3].quota_bytes
    value: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path} = {self.value}: {self.remedy}"


class DirectoryRefused(Exception):
    """The document cannot be applied; nothing was changed."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def problem(path: str, value: object, remedy: str) -> Problem:
    """Return a Problem with a short, printable value; passwords are hidden."""
    shown = "(hidden)" if path.endswith("password") else ascii(value)
    return Problem(path, shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + "...", remedy)
