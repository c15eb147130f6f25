"""X22: a link planted where an agent keeps a file leads nowhere: what it points at is neither written nor replaced."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ..clients import imap, pop3, received, submit, wait_for
from ..conftest import POSTROOM, Sandbox

DOMAIN, ADA, BOB = "alpha.example", "ada@alpha.example", "bob@alpha.example"
FILES = [
    ("msa", "var/spool/msa/msa-1.db"), ("msa", "var/spool/msa/msa-1.lock"), ("msa", "var/spool/msa/msa-1.turn"),
    ("msa", "var/spool/msa/msa-1.db-wal"), ("msa", "var/spool/msa/msa-1.db-shm"),
    ("msa", "var/spool/msa/counters.sqlite"), ("mta", "var/spool/mta/mta-1.db"), ("mta", "var/spool/mta/mta-1.lock"),
    ("relay", "var/spool/relay/relay-1.db"), ("relay", "var/spool/relay/relay-1.lock"),
    ("mda", "var/spool/mda/mda-1.db"), ("auth", "var/secrets/guesses.db"), ("auth", "var/secrets/secrets.db"),
]  # fmt: skip
VICTIM = b"Something of somebody else, which no agent may touch.\n" * 200


@pytest.fixture(scope="module")
def folder(start_sandbox: Callable[..., Sandbox], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A domain that has been at work and now rests."""
    root = tmp_path_factory.mktemp("x22", numbered=True)
    short = Path("/tmp") / f"x22-{os.getpid()}"
    short.symlink_to(root)
    site = start_sandbox("--dir", str(short), "--user", f"{ADA}:a", "--user", f"{BOB}:b")
    submit(site, ADA, BOB, subject="before")
    received(site, BOB, "before")
    imap(site, ADA).logout()
    pop3(site, ADA).quit()
    site.process.send_signal(signal.SIGTERM)
    site.process.wait(30)
    short.unlink()
    return root / DOMAIN


@pytest.mark.parametrize(("agent", "name"), FILES)
@pytest.mark.parametrize("target", ["file", "nothing"])
def test_a_planted_link_leads_nowhere(
    folder: Path, tmp_path: Path, agent: str, name: str, target: str
) -> None:
    place, victim = folder / name, tmp_path / "victim"
    place.parent.mkdir(exist_ok=True)
    kept = place.with_name("kept")
    if place.exists():
        place.rename(kept)
    if target == "file":
        victim.write_bytes(VICTIM)
    place.symlink_to(victim)
    before = sorted(tmp_path.iterdir())
    try:
        said = run_for_a_while(folder, agent)
        assert "Traceback" not in said
        assert sorted(tmp_path.iterdir()) == before, said
        if target == "file":
            assert victim.read_bytes() == VICTIM, said
    finally:
        place.unlink(missing_ok=True)
        if kept.exists():
            kept.rename(place)


def run_for_a_while(folder: Path, agent: str) -> str:
    """Start the agent until it is ready or has given up; what it said."""
    told = folder / "told"
    told.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as readiness:
        here = os.open(told.parent, os.O_RDONLY)  # by descriptor: the path is too long for a socket
        readiness.bind(f"/proc/self/fd/{here}/told")
        readiness.setblocking(False)
        process = subprocess.Popen(
            [POSTROOM.with_name(f"postroom-{agent}"), "--config", str(folder / "etc" / f"{agent}.toml")],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "NOTIFY_SOCKET": f"/proc/{os.getpid()}/fd/{here}/told"},
        )  # fmt: skip
        wait_for(lambda: process.poll() is not None or _ready(readiness), 60)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        os.close(here)
    return said


def _ready(readiness: socket.socket) -> bool:
    try:
        return b"READY=1" in readiness.recv(4096)
    except BlockingIOError:
        return False


def test_files_of_mail_and_secrets_are_not_for_everybody(folder: Path) -> None:
    for name in ("spool", "secrets", "accounts"):
        files = [path for path in (folder / "var" / name).rglob("*") if path.is_file()]
        assert files
        assert [path for path in files if path.stat().st_mode & 0o007] == []
