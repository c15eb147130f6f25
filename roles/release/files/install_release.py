#!/usr/bin/env python3
"""Install one release on its host, beside the others: a virtual environment of the wheels in an archive, no network.

    install_release.py ARCHIVE FOLDER/RELEASE

A release that is complete is left alone; what an interrupted run left is made anew. Needs only Debian's python3.
"""

import compileall
import os
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

COMPLETE = ".complete"  # written last


def main() -> int:
    archive, release = Path(sys.argv[1]), Path(sys.argv[2])
    os.umask(0o022)  # every local user may run sendmail
    if not (release / COMPLETE).exists():
        install(archive, release)
    return 0


def install(archive: Path, release: Path) -> None:
    wheels = release.with_name(f".{release.name}.wheels")
    for leftover in (release, wheels):
        shutil.rmtree(leftover, ignore_errors=True)
    wheels.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        tar.extractall(wheels, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(wheels)  # noqa: S202
    venv.create(release, with_pip=False, symlinks=True)
    (pip,) = (wheels / "pip").glob("pip-*.whl")
    command = [
        str(release / "bin/python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-compile",
    ]
    command += ["--require-hashes", "--find-links", str(wheels), "-r", str(wheels / "requirements.txt")]
    environment = {
        **os.environ,
        "PYTHONPATH": str(pip),
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    subprocess.run(command, env=environment, check=True)  # noqa: S603 -- words of our own
    compileall.compile_dir(release / "lib", quiet=2, workers=os.cpu_count() or 1)
    shutil.rmtree(wheels)
    (release / COMPLETE).touch()
    os.sync()  # a link to a release must not survive a power cut that the release did not


if __name__ == "__main__":
    sys.exit(main())
