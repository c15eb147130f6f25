"""Files that survive a power cut: write, sync, rename, sync the folder."""

import os
from pathlib import Path


def sync_directory(path: str | Path) -> None:
    """Make renames and new names in a folder durable. Raises OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_durably(path: str | Path, octets: bytes, mode: int = 0o600) -> None:
    """Replace a file as a whole: a reader sees the old octets or the new ones, also after a power cut.

    The temporary file lies in the same folder, since a rename must not cross file systems. Raises OSError.
    """
    target = Path(path)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)  # the umask of an agent is 0077
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)
