"""Each inventory's vault has a password of its own, which is made once, whoever asks first."""

import os
import stat
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[3] / "playbooks" / "vault_password.py"


def ask(folder: Path, inventory: str | Path = "") -> "subprocess.Popen[str]":
    program = folder / "playbooks" / "vault_password.py"
    environment = {
        name: value for name, value in os.environ.items() if name != "POSTROOM_VAULT_PASSWORD_FILE"
    }
    return subprocess.Popen(
        [sys.executable, program],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**environment, "ANSIBLE_INVENTORY": str(inventory)},
    )  # fmt: skip


def said(folder: Path, inventory: str | Path = "") -> str:
    words, errors = ask(folder, inventory).communicate(timeout=100)
    assert errors == ""
    return words.strip()


def checkout(folder: Path) -> Path:
    (folder / "playbooks").mkdir()
    (folder / "playbooks" / "vault_password.py").write_bytes(PROGRAM.read_bytes())
    (folder / "ansible.cfg").write_text("[defaults]\ninventory = inventory/demo\n")
    for name in ("demo", "mine"):
        (folder / "inventory" / name).mkdir(parents=True)
        (folder / "inventory" / name / "hosts.yml").write_text("all:\n")
    return folder


def seal(inventory: Path) -> None:
    vault = inventory / "group_vars" / "postroom" / "secrets.yml"
    vault.parent.mkdir(parents=True)
    vault.write_text("$ANSIBLE_VAULT;1.1;AES256\n")


def test_many_who_ask_at_once_hear_the_same(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    heard = [asked.communicate(timeout=100) for asked in [ask(folder) for _ in range(12)]]
    assert {errors for _, errors in heard} == {""}
    (password,) = {words.strip() for words, _ in heard}
    assert len(password) > 30
    path = folder / ".secrets" / "vault-password.demo"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_each_inventory_has_a_password_of_its_own(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    outside = [tmp_path / place / "mine" for place in ("one", "other")]
    for path in outside:
        path.mkdir(parents=True)
    mine = folder / "inventory" / "mine"
    passwords = [said(folder, inventory) for inventory in ("", mine, *outside)]
    assert len(set(passwords)) == 4
    assert said(folder, mine / "hosts.yml") == passwords[1]
    assert (folder / ".secrets" / "vault-password.mine").read_text().strip() == passwords[1]


def test_a_lost_password_is_one_line(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    seal(folder / "inventory" / "mine")
    asked = ask(folder, folder / "inventory" / "mine")
    _, errors = asked.communicate(timeout=100)
    assert asked.returncode == 1
    assert len(errors.splitlines()) == 1
    assert "inventory/mine/group_vars/postroom/secrets.yml" in errors


def test_a_vault_from_before_is_opened_by_the_one_password_of_all(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    seal(folder / "inventory" / "mine")
    (folder / ".secrets").mkdir()
    (folder / ".secrets" / "vault-password").write_text("of all\n")
    assert said(folder, folder / "inventory" / "mine") == "of all"
    assert said(folder, folder / "inventory" / "demo") != "of all"
    (folder / ".secrets" / "vault-password.mine").write_text("my own\n")
    assert said(folder, folder / "inventory" / "mine") == "my own"


def test_a_vault_at_its_former_place_is_opened_too(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    seal(folder / "inventory" / "mine")
    vault = folder / "inventory" / "mine" / "group_vars" / "postroom"
    vault.rename(vault.with_name("all"))
    (folder / ".secrets").mkdir()
    (folder / ".secrets" / "vault-password").write_text("of all\n")
    assert said(folder, folder / "inventory" / "mine") == "of all"


def test_an_inventory_without_variables_of_ours_does_not_count(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    seal(folder / "inventory" / "mine")
    (tmp_path / "molecule").mkdir()
    (folder / ".secrets").mkdir()
    (folder / ".secrets" / "vault-password.mine").write_text("my own\n")
    assert said(folder, f"{tmp_path / 'molecule'},{folder / 'inventory' / 'mine'}") == "my own"
