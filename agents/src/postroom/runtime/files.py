"""Durable names: after a file has been written, synced and renamed, its folder has to be synced too."""

import os
from pathlib import Path


def sync_directory(path: str | Path) -> None:
    """Make renames and new names in a folder durable. Raises OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
