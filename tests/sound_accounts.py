"""Every account that a test leaves behind must be sound, unless the test says what it has damaged."""

import os
from collections.abc import Iterator
from pathlib import Path

from postroom.contracts.storeadmin import Finding
from postroom.store.blobs import files
from postroom.store.sqlite.verify import verify


def account_folders(folder: Path) -> Iterator[Path]:
    """Yield the folders below this one that hold an account's database."""
    for path, names, found in os.walk(folder):
        if files.DATABASE in found:
            names.clear()
            yield Path(path)


def findings(folder: Path) -> list[Finding]:
    """Return what `store verify` finds in all accounts below a folder."""
    return [
        finding
        for path in account_folders(folder)
        for finding in verify(str(path.parent), path.name, False, lambda done, total: None)
    ]


def check(folder: Path, damages: frozenset[str] = frozenset()) -> None:
    """Compare the kinds of findings below a folder with the damages that a test has done on purpose."""
    found = findings(folder)
    assert {finding.kind for finding in found} == damages, found
