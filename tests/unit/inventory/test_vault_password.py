"""The vault's password is made once, whoever asks first."""

import os
import stat
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[3] / "playbooks" / "vault_password.py"


def ask(folder: Path) -> "subprocess.Popen[str]":
    program = folder / "playbooks" / "vault_password.py"
    environment = {
        name: value for name, value in os.environ.items() if name != "POSTROOM_VAULT_PASSWORD_FILE"
    }
    return subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def checkout(folder: Path) -> Path:
    (folder / "playbooks").mkdir()
    (folder / "playbooks" / "vault_password.py").write_bytes(PROGRAM.read_bytes())
    return folder


def test_many_who_ask_at_once_hear_the_same(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    heard = [asked.communicate(timeout=100) for asked in [ask(folder) for _ in range(12)]]
    assert {errors for _, errors in heard} == {""}
    (password,) = {words.strip() for words, _ in heard}
    assert len(password) > 30
    path = folder / ".secrets" / "vault-password"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["vault-password"]


def test_a_lost_password_is_one_line(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    vault = folder / "inventory" / "mine" / "group_vars" / "all" / "secrets.yml"
    vault.parent.mkdir(parents=True)
    vault.write_text("$ANSIBLE_VAULT;1.1;AES256\n")
    asked = ask(folder)
    _, errors = asked.communicate(timeout=100)
    assert asked.returncode == 1
    assert len(errors.splitlines()) == 1
    assert "inventory/mine/group_vars/all/secrets.yml" in errors
