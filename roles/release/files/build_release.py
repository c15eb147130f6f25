#!/usr/bin/env python3
"""Build one release of the agents on the controller: a tar with wheels for one kind of host, locked by hashes.

    build_release.py --project DIR --build DIR --python 3.11 --machine x86_64 [--name-only]

Prints one JSON object: `release` (its name), `archive` (path), `built` (whether this run made it). The name comes from
the locks, our sources, this script, and the kind of host, so equal input has one name and is built once.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

EPOCH = "1577836800"  # 2020-01-01: one fixed time in our wheel, so that equal sources give an equal file
GLIBC = ("2_36", "2_34", "2_31", "2_28", "2_17")  # Debian 12 has 2.36
SOURCES = ("agents/pyproject.toml", "agents/share", "agents/src")
LOCKS = ("requirements/agents.txt", "requirements/agents.build.txt")


def main() -> int:
    options = arguments()
    project, build = Path(options.project).resolve(), Path(options.build).resolve()
    release = name(project, options.python, options.machine)
    archive = build / f"{release}.tar"
    missing = not archive.exists()
    if missing and not options.name_only:
        build.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=build) as place:
            make(project, Path(place), archive, options.python, options.machine)
        forget_old(build, archive)
    print(
        json.dumps({"release": release, "archive": str(archive), "built": missing and not options.name_only})
    )
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Build one release of the agents.")
    parser.add_argument("--project", required=True)
    parser.add_argument("--build", required=True)
    parser.add_argument("--python", required=True, help="Python of the host, such as 3.11")
    parser.add_argument("--machine", required=True, help="processor of the host, such as x86_64")
    parser.add_argument("--name-only", action="store_true", help="print what would be built")
    return parser.parse_args()


def name(project: Path, python: str, machine: str) -> str:
    """Twelve digits of a hash over all that goes in, and the kind of host in plain words."""
    digest = hashlib.sha256(f"{python} {machine}\n".encode())
    for file in [Path(__file__).resolve(), *(project / lock for lock in LOCKS), *sources(project)]:
        where = file.relative_to(project) if file.is_relative_to(project) else Path(file.name)
        digest.update(f"{where}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return f"{digest.hexdigest()[:12]}-py{python}-{machine}"


def sources(project: Path) -> list[Path]:
    """The files our own wheel is made of, in order of their names."""
    found: list[Path] = []
    for source in SOURCES:
        path = project / source
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        found += [file for file in files if "__pycache__" not in file.parts and ".egg-info" not in str(file)]
    return sorted(found)


def make(project: Path, place: Path, archive: Path, python: str, machine: str) -> None:
    """Wheels, their lock and pip's own wheel into one archive."""
    tools, wheels = place / "tools", place / "release"
    run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(tools), "--require-hashes",
         "--no-deps", "--only-binary=:all:", "-r", str(project / LOCKS[1])])  # fmt: skip
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    environment = {"PYTHONPATH": str(tools), "SOURCE_DATE_EPOCH": EPOCH}
    download = [
        *pip,
        "download",
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
        "--dest",
        str(wheels),
    ]
    lock = place / "lock.txt"
    lock.write_text(for_host((project / LOCKS[0]).read_text(), python))
    run([*download, *kind(python, machine), "-r", str(lock)], environment)
    own = own_wheel(project, place, wheels, pip, environment)
    pinned = f"{lock.read_text()}\n{own.name.split('-')[0]}=={own.name.split('-')[1]} --hash=sha256:{sha256(own)}\n"
    (wheels / "requirements.txt").write_text(pinned)
    run([*pip, "download", "--no-deps", "--require-hashes", "--only-binary=:all:", "--dest", str(wheels / "pip"),
         "-r", str(only(project / LOCKS[1], "pip", place))], environment)  # fmt: skip
    pack(wheels, archive)


def kind(python: str, machine: str) -> list[str]:
    platforms = [f"manylinux_{version}_{machine}" for version in GLIBC] + [f"manylinux2014_{machine}"]
    chosen = ["--implementation", "cp", "--python-version", python]
    for platform in platforms:
        chosen += ["--platform", platform]
    return chosen


def for_host(lock: str, python: str) -> str:
    """The lock without markers: pip would judge them by the controller's Python instead of the host's."""
    from pip._vendor.packaging.markers import Marker  # noqa: PLC0415 -- only where something is built

    facts = {"python_version": python, "python_full_version": f"{python}.0", "implementation_name": "cpython",
             "platform_python_implementation": "CPython", "sys_platform": "linux", "platform_system": "Linux",
             "os_name": "posix"}  # fmt: skip
    kept = []
    for entry in re.split(r"\n(?=\S)", lock):
        marker = re.match(r"[^;\\\n]*(?:;([^\\\n]*))?", entry)[1]
        if entry.startswith("#") or (marker and not Marker(marker.strip()).evaluate(facts)):
            continue
        kept.append(entry.replace(f";{marker}", "") if marker else entry)
    return "\n".join(kept)


def only(lock: Path, package: str, place: Path) -> Path:
    """A lock of that one package, for pip's wheel."""
    chosen = [entry for entry in re.split(r"\n(?=\S)", lock.read_text()) if entry.startswith(f"{package}==")]
    path = place / f"{package}.txt"
    path.write_text("\n".join(chosen) + "\n")
    return path


def own_wheel(project: Path, place: Path, wheels: Path, pip: list[str], environment: dict[str, str]) -> Path:
    """Our wheel, built from a copy of the sources: a build backend leaves its traces where it works."""
    copy = place / "agents"
    for file in sources(project):
        target = copy / file.relative_to(project / "agents")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    run([*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(wheels), str(copy)],
        environment)  # fmt: skip
    (wheel,) = wheels.glob("postroom-*.whl")
    return wheel


def pack(folder: Path, archive: Path) -> None:
    """One tar, complete or absent: it takes its name when it is whole."""
    draft = archive.with_suffix(".part")
    with tarfile.open(draft, "w") as tar:
        for file in sorted(folder.rglob("*")):
            tar.add(file, arcname=str(file.relative_to(folder)), recursive=False, filter=anonymous)
    draft.replace(archive)


def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mtime = int(EPOCH)
    entry.mode = 0o755 if entry.isdir() else 0o644
    return entry


def forget_old(build: Path, newest: Path) -> None:
    """Keep the newest five archives of this kind of host."""
    kind_of_host = newest.name.partition("-")[2]
    archives = sorted(build.glob(f"*-{kind_of_host}"), key=lambda file: file.stat().st_mtime, reverse=True)
    for archive in archives[5:]:
        archive.unlink(missing_ok=True)


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def run(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Run, and end with the command's own words when it fails."""
    done = subprocess.run(  # noqa: S603 -- words of our own
        command, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip()
        sys.exit(f"building the release failed at `{' '.join(command[:5])} ...`:\n{words}")


if __name__ == "__main__":
    sys.exit(main())
