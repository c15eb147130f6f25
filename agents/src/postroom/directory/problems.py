"""What is wrong with a document, said so that its writer can put it right."""

from typing import NamedTuple

SHOWN = 80  # characters of a value


class Problem(NamedTuple):
    """One fault: where it stands, what stands there, what would be right."""

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
    """A Problem whose value is short, printable, and no password."""
    shown = "(hidden)" if path.endswith("password") else ascii(value)
    return Problem(path, shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + "...", remedy)
