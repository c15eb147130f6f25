"""The scripts of the role tls, run by a shell on a systemctl that tells what a test says."""

import os
import stat
import subprocess
from pathlib import Path

from agent_files import ROLES
from cryptography import x509

SYSTEMCTL = """#!/bin/sh
if [ "$1" = show ]; then
    case "$5" in imap.service) echo active ;; pop3.service) echo activating ;; *) echo inactive ;; esac
else
    echo "$@"
    [ "$1" != "{failing}" ]
fi
"""


def script(name: str) -> str:
    return (ROLES / "tls/files" / name).read_text()


def reloaded(tmp_path: Path, failing: str = "") -> "subprocess.CompletedProcess[str]":
    (tmp_path / "systemctl").write_text(SYSTEMCTL.format(failing=failing))
    (tmp_path / "systemctl").chmod(0o755)
    units = ["imap.service", "pop3.service", "mta.service"]
    return subprocess.run(
        ["sh", "-c", script("reload_units.sh"), "sh", *units], capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip


def test_what_runs_is_reloaded_and_what_tries_to_start_is_restarted(tmp_path: Path) -> None:
    done = reloaded(tmp_path)
    assert done.stdout.splitlines() == [
        "reload-or-restart imap.service",
        "restart --no-block pop3.service",
    ]
    assert done.returncode == 0


def test_a_refused_reload_is_told_after_the_others(tmp_path: Path) -> None:
    done = reloaded(tmp_path, failing="reload-or-restart")
    assert len(done.stdout.splitlines()) == 2
    assert done.returncode == 1


def sets(folder: Path, *words: str) -> list[str]:
    """Make three certificate sets and a foreign folder; return what remove_sets.sh prints."""
    for name in ("mail.alpha.example", "-old", "former name", "no set"):
        (folder / name).mkdir(exist_ok=True)
        if name != "no set":
            (folder / name / "fullchain.pem").touch()
    command = ["sh", "-c", script("remove_sets.sh"), "sh", str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return sorted(done.stdout.splitlines())


def test_certificate_sets_that_are_no_longer_named_are_removed_or_only_shown(tmp_path: Path) -> None:
    assert sets(tmp_path, "show", "mail.alpha.example") == ["-old", "former name"]
    assert len(list(tmp_path.iterdir())) == 4
    assert sets(tmp_path, "remove", "mail.alpha.example") == ["-old", "former name"]
    assert {path.name for path in tmp_path.iterdir()} == {"mail.alpha.example", "no set"}


def test_a_folder_that_is_not_there_yet_has_no_sets(tmp_path: Path) -> None:
    command = ["sh", "-c", script("remove_sets.sh"), "sh", str(tmp_path / "none"), "remove", "a"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""


def test_a_key_is_roots_alone_and_the_request_has_the_names(tmp_path: Path) -> None:
    key, chain = tmp_path / "key.pem", tmp_path / "fullchain.pem"
    subprocess.run(["sh", "-c", script("make_key.sh"), "sh", key], check=True)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    command = [
        "sh",
        "-c",
        script("request_certificate.sh"),
        "sh",
        key,
        chain,
        "/CN=a.example",
        "subjectAltName=DNS:a.example",
    ]
    request = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    read = x509.load_pem_x509_csr(request.encode())
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example"]
    chain.write_text("what is there\n")
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith(
        "what is there\n-----BEGIN"
    )
