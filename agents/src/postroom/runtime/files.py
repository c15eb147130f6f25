"""Names that survive a power cut: after the write, the sync and the rename of a file, its folder is synced."""

import os
from pathlib import Path


def sync_directory(path: str | Path) -> None:
    """Make renames and new names in a folder durable. Raises OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
