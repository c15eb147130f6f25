#!/usr/bin/env python3
"""Unpack the collections that the kit uses from the wheel of the package `ansible`, which contains a hundred.

    unpack_collections.py WHEEL FOLDER

FOLDER is the site-packages of a virtual environment: Ansible looks for `ansible_collections` there.
"""

import sys
import zipfile
from pathlib import Path

COLLECTIONS = ("community.crypto", "containers.podman")


def main(wheel: Path, folder: Path) -> None:
    """Unpack the collections below `folder`.

    Raises:
        SystemExit: The wheel lacks one of them.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        for collection in COLLECTIONS:
            prefix = f"ansible_collections/{collection.replace('.', '/')}/"
            members = [name for name in names if name.startswith(prefix)]
            if f"{prefix}MANIFEST.json" not in members:
                sys.exit(f"{wheel.name} has no collection {collection}")
            archive.extractall(folder, members)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
