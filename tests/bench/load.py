"""What is sent, by smtp-source of Postfix, and when all of it has arrived."""

import contextlib
import os
import shlex
import sqlite3
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import debian
from processes import Running

SESSIONS = 20
WAIT_SECONDS = 120.0
COARSE = 100_000_000  # nanoseconds within which a folder may change twice at one time of change
SENDER = "x@outside.example"


class Load(NamedTuple):
    """One kind of load."""

    name: str
    messages: int
    octets: int
    kept: bool = False  # connections
    delivered: bool = False  # measured until the last message is in its mailbox, not until the last 250


class Measured(NamedTuple):
    """Messages per second, and processor seconds per 1000 messages."""

    rate: float
    processor: float


def measure(server: Running, load: Load, names: Sequence[str], arrived: Callable[[], int]) -> Measured:
    """Send it all, wait for it all. Ends the program when something is missing at the end."""
    before, used = arrived(), server.processor_seconds()
    began = time.monotonic()
    _send(server.port, load, names)
    deadline = time.monotonic() + WAIT_SECONDS
    while (found := arrived() - before) < load.messages and time.monotonic() < deadline:
        time.sleep(0.02)
    seconds = time.monotonic() - began
    if found != load.messages:
        raise SystemExit(f"bench: {load.name}: {load.messages} sent, {found} arrived")
    return Measured(load.messages / seconds, (server.processor_seconds() - used) / load.messages * 1000)


def _send(port: int, load: Load, names: Sequence[str]) -> None:
    """Twenty sessions at any time. Where mailboxes matter, each session serves its own share of the accounts."""
    if not load.delivered:
        subprocess.run(
            _source(port, load, load.messages, SESSIONS, names[0]),
            env=debian.load_environment(), check=True, capture_output=True,
        )  # fmt: skip
        return
    each = load.messages // len(names)
    lanes = [
        " && ".join(shlex.join(_source(port, load, each, 1, name)) for name in names[lane::SESSIONS])
        for lane in range(SESSIONS)
    ]
    environment = debian.load_environment()
    running = [
        subprocess.Popen(
            ["sh", "-c", lane], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for lane in lanes
    ]
    for process in running:
        _, words = process.communicate()
        if process.returncode:
            raise SystemExit(f"bench: {load.name}: {words.decode()[-500:]}")


def _source(port: int, load: Load, messages: int, sessions: int, name: str) -> list[str]:
    kept = ["-d"] if load.kept else []
    return [str(debian.SOURCE), "-s", str(sessions), "-m", str(messages), "-l", str(load.octets), "-f", SENDER,
            "-t", f"{name}@alpha.example", *kept, f"127.0.0.1:{port}"]  # fmt: skip


def held_by_postfix(folder: Path) -> int:
    """Messages in Postfix's hold queue."""
    return sum(1 for one in (folder / "queue/hold").rglob("*") if one.is_file())


def in_spool(folder: Path) -> int:
    """Messages that our mta has accepted and nobody took yet."""
    total = 0
    for path in (folder / "var/spool/mta").glob("*.db"):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            total += database.execute("SELECT count(*) FROM message").fetchone()[0]
    return total


class Names:
    """How many names are in a folder, read again only after it changed, since counting must not cost the servers."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, int]] = {}  # time of the last change and number of names

    def __call__(self, folder: Path) -> int:
        """The number; 0 for no folder."""
        try:
            changed = folder.stat().st_mtime_ns
        except FileNotFoundError:
            return 0
        known = self._known.get(folder)
        if known is not None and known[0] == changed:
            return known[1]
        number = len(os.listdir(folder))
        if time.time_ns() - changed > COARSE:
            self._known[folder] = changed, number
        return number


class Maildirs:
    """Messages that Dovecot has delivered."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = Names()

    def __call__(self) -> int:
        """Their number in all mailboxes."""
        return sum(self._names(user / "Maildir/new") for user in (self._folder / "mail").iterdir())


class Mailboxes:
    """Messages in our mailboxes: rows are counted where the number of files has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = Names()
        self._known: dict[Path, tuple[int, int]] = {}  # files and rows

    def __call__(self) -> int:
        """The number of messages that a client would be shown."""
        return sum(self._rows(account) for account in (self._folder / "var/accounts").iterdir())

    def _rows(self, account: Path) -> int:
        files = self._names(account / "messages")
        known = self._known.get(account)
        if known is None or known != (files, files):
            known = self._known[account] = files, _count(account / "account.db")
        return known[1]


def _count(path: Path) -> int:
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        try:
            return int(database.execute("SELECT count(*) FROM messages").fetchone()[0])
        except sqlite3.OperationalError:  # the account is only being made
            return 0
