"""The how-tos do what they say: their own words run against running agents."""

import imaplib
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..clients import imap, message, read, received, submit, wait_for
from ..conftest import POSTROOM, Sandbox

GUIDES = Path(__file__).resolve().parents[2] / "docs/guide"
ADA, EVE = "ada@alpha.example", "eve@beta.example"
ALPHA = "alpha.example"
ARRIVED = '"17-Jul-2019 02:44:25 +0000"'


def block(guide: str, opening: str) -> str:
    """Return the code block of a guide that begins with these words."""
    found = re.search(rf"```\n({re.escape(opening)}.*?)```", (GUIDES / guide).read_text(), re.DOTALL)
    assert found, f"{guide} has no block that begins with {opening}"
    return found[1]


def account(settings: str, name: str, site: Sandbox, address: str) -> str:
    """Let the account of these settings be a person of the sandbox."""
    _, port = site.port(address.partition("@")[2], "imaps")
    own = (
        f"IMAPAccount {name}\nHost localhost\nPort {port}\nUser {address}\n"
        f'Pass "{site.password(address)}"\nSSLType IMAPS\nCertificateFile {site.ca}\n\n'
    )
    changed, count = re.subn(rf"IMAPAccount {name}\n.*?\n\n", own, settings, flags=re.DOTALL)
    assert count == 1
    return changed


def test_mailboxes_are_copied_from_another_server(
    start_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    site = start_sandbox("--user", f"{ADA}:old", "--user", f"{EVE}:new")
    with imap(site, ADA) as client:
        client.create("Projects/2019")
        for number in range(3):
            octets = message(ADA, EVE, subject=f"old mail {number}")
            client.append("Projects/2019", r"(\Seen \Flagged)", ARRIVED, octets)
    settings = account(
        account(block("from-postfix.md", "IMAPAccount old"), "old", site, ADA), "new", site, EVE
    )
    (tmp_path / "rc").write_text(settings.replace("/root/move/", f"{tmp_path}/"))
    for _ in range(2):  # the second run finds nothing to do
        done = subprocess.run(
            ["mbsync", "-c", tmp_path / "rc", "move"], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
    with imap(site, EVE) as client:
        client.select('"Projects/2019"', readonly=True)
        _, numbers = client.search(None, "ALL")
        assert len(numbers[0].split()) == 3
        _, fetched = client.fetch("1", "(FLAGS INTERNALDATE)")
        assert rb"\Flagged" in fetched[0]
        assert rb"\Seen" in fetched[0]
        assert imaplib.Internaldate2tuple(fetched[0]) == imaplib.Internaldate2tuple(
            f"INTERNALDATE {ARRIVED}".encode()
        )
    assert len(read(site, ADA, "old mail", '"Projects/2019"')) == 3


def stop(site: Sandbox) -> None:
    site.process.send_signal(signal.SIGTERM)
    site.process.wait(60)


def queue(site: Sandbox, *words: str) -> str:
    """Let `postroom queue` work on alpha's folders."""
    folder = site.folder(ALPHA)
    places = ["--spools", str(folder / "var/spool")]
    if words[0] != "list":
        places += ["--run-directory", str(folder / "run")]
    command = [POSTROOM, "queue", *words, *places]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture
def folders() -> Iterator[tuple[str, str]]:
    """Two folders with short paths, since sockets are in them."""
    with tempfile.TemporaryDirectory(dir="/tmp") as old, tempfile.TemporaryDirectory(dir="/tmp") as new:
        yield old, new


def test_a_host_is_moved_with_its_mail_and_its_queue(
    start_sandbox: Callable[..., Sandbox], folders: tuple[str, str]
) -> None:
    people = ("--user", f"{ADA}:secret", "--user", f"{EVE}:secret")
    old = start_sandbox("--dir", folders[0], *people, "--set", 'relay.resolver="127.0.0.1:1"')
    submit(old, ADA, ADA, subject="in the mailbox")
    submit(old, ADA, EVE, subject="on its way")
    received(old, ADA, "in the mailbox")
    wait_for(lambda: EVE in queue(old, "list"))
    stop(old)
    new = start_sandbox("--dir", folders[1], *people)
    stop(new)
    moved = re.findall(r"var/lib/postroom/(\w+)", block("another-host.md", "tar --create"))
    assert moved == ["accounts", "secrets", "spool"]
    for name in moved:
        place = new.folder(ALPHA) / "var" / name
        shutil.rmtree(place)
        shutil.copytree(old.folder(ALPHA) / "var" / name, place)
    new = start_sandbox("--dir", folders[1], *people)
    queue(new, "retry", "--all")
    received(new, EVE, "on its way")
    assert len(read(new, ADA, "in the mailbox")) == 1
    accounts = new.folder(ALPHA) / "var/accounts"
    subprocess.run([POSTROOM, "store", "verify", "--accounts-directory", accounts], check=True, timeout=60)
