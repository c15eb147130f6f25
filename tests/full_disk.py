"""A disk that has no room left."""

from contextlib import suppress
from pathlib import Path


def fill(disk: Path) -> None:
    """Take all the room there is."""
    with (disk / "ballast").open("ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with suppress(OSError):
                while True:
                    file.write(b"\0" * size)
