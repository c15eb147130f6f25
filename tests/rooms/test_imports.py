"""The direction of imports: `.importlinter` draws it, this runs it, on our tree and on trees with a fault."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "agents/src"
COMMAND = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"


def judged(source: Path) -> subprocess.CompletedProcess[str]:
    """What import-linter says about the tree in that folder."""
    words = [sys.executable, "-c", COMMAND, "--config", str(ROOT / ".importlinter"), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    return subprocess.run(words, env=environment, cwd=source, capture_output=True, text=True, check=False)


def test_rooms_import_only_downwards() -> None:
    done = judged(SOURCE)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        (
            "wire/lines.py",
            "import asyncio",
            "Rooms that decide know neither time nor network nor files BROKEN",
        ),
        ("store/__init__.py", "import postroom.queue", "Rooms import only downwards BROKEN"),
        ("entrance/__init__.py", "import postroom.couriers.auth", "Rooms import only downwards BROKEN"),
        ("mail/ids.py", "import postroom.contracts.errors", "Rooms import only downwards BROKEN"),
        ("mta/app.py", "import postroom.msa.app", "Rooms import only downwards BROKEN"),
        (
            "wire/pop3/__init__.py",
            "import postroom.wire.smtp.replies",
            "Protocols on the wire are independent BROKEN",
        ),
        ("mta/app.py", "import aiosmtpd", "aiosmtpd only in smtpd BROKEN"),
        ("relay/app.py", "import dns.resolver", "dnspython only in runtime BROKEN"),
        (
            "relay/feeding.py",
            "import sqlite3",
            "sqlite3 only in engines and where an agent keeps a file of its own BROKEN",
        ),
        (
            "queue/outbox.py",
            "import sqlite3",
            "sqlite3 only in engines and where an agent keeps a file of its own BROKEN",
        ),
        (
            "cli/queue.py",
            "import postroom.queue.sqlite.admin",
            "The queue's engine is known only behind the queue's constructors BROKEN",
        ),
        (
            "store/sqlite/account.py",
            "import postroom.store.sqlite.engine",
            "An account of the store does not know its engine BROKEN",
        ),
        ("store/blobs/files.py", "import sqlite3", "Message files know no SQL BROKEN"),
        (
            "store/__init__.py",
            "import cryptography",
            "cryptography only where keys and certificates are read BROKEN",
        ),
    ],
)
def test_a_wrong_import_is_reported(tmp_path: Path, file: str, line: str, broken: str) -> None:
    shutil.copytree(SOURCE / "postroom", tmp_path / "postroom", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "postroom" / file).open("a") as source:
        source.write(f"\n{line}\n")
    done = judged(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert broken in done.stdout


def test_a_package_without_a_place_is_reported(tmp_path: Path) -> None:
    shutil.copytree(SOURCE / "postroom", tmp_path / "postroom", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "postroom/odds").mkdir()
    (tmp_path / "postroom/odds/__init__.py").write_text('"""Odds and ends."""\n')
    done = judged(tmp_path)
    assert done.returncode == 1
    assert "odds" in done.stdout + done.stderr
