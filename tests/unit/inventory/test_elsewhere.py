"""An inventory that is kept outside of the project, as Ansible meets it: it works, or one line says what to do."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import ROOT

Play = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example."""
    return Path(shutil.copytree(ROOT / "inventory/example", tmp_path / "company"))


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Complete the secrets of an inventory, with a password file of the test's own."""
    environment = {**os.environ, "POSTROOM_VAULT_PASSWORD_FILE": str(tmp_path / "password")}
    environment.pop("ANSIBLE_INVENTORY", None)

    def run(*words: str | Path, **more: str) -> "subprocess.CompletedProcess[str]":
        program = Path(sys.executable).with_name("ansible-playbook")
        return subprocess.run(
            [program, *words, "playbooks/secrets.yml"],
            cwd=ROOT, env={**environment, **more}, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    return run


def vault(folder: Path) -> Path:
    return folder / "group_vars/postroom/secrets.yml"


@pytest.mark.parametrize("source", ["", "hosts.yml"])
def test_a_folder_and_a_file_work(folder: Path, play: Play, source: str) -> None:
    made = play("-i", folder / source)
    assert made.returncode == 0, made.stdout
    assert vault(folder).read_text().startswith("$ANSIBLE_VAULT")
    before = vault(folder).read_text()
    again = play(f"--inventory={folder / source}")
    assert "changed=0" in again.stdout
    assert vault(folder).read_text() == before


def opened(folder: Path, tmp_path: Path) -> dict[str, Any]:
    program = Path(sys.executable).with_name("ansible-vault")
    words = [program, "view", "--vault-password-file", tmp_path / "password", vault(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, Any] = yaml.safe_load(done.stdout)["postroom_vault"]
    return found


def test_a_vault_of_format_1_becomes_format_2_with_the_next_run_and_not_in_check_mode(
    folder: Path, play: Play, tmp_path: Path
) -> None:
    """It was left unsealed by hand, too; a first password that was given stays the person's."""
    old = {"srs_secret": "5" * 64, "first_passwords": {"My Company": {"ada": "the-one-she-has"}}}
    vault(folder).parent.mkdir(parents=True, exist_ok=True)
    vault(folder).write_text(before := yaml.safe_dump({"postroom_vault": old}))
    checked = play("-i", folder, "--check")
    assert checked.returncode == 0, checked.stdout
    assert "the vault becomes format 2" in checked.stdout
    assert "+ DKIM key rsa1 of" in checked.stdout
    assert vault(folder).read_text() == before
    made = play("-i", folder)
    assert made.returncode == 0, made.stdout
    assert "the-one-she-has" not in made.stdout + checked.stdout
    found = opened(folder, tmp_path)
    (company,) = found["companies"].values()
    assert found["format"] == 2
    assert company["first_passwords"]["ada"] == "the-one-she-has"
    assert company["former_srs_secret"]["secret"] == "5" * 64
    assert "changed=0" in play("-i", folder).stdout
    assert stat.S_IMODE(vault(folder).stat().st_mode) == 0o600
    assert not [path for path in vault(folder).parent.iterdir() if path.name.startswith(".")]


def test_check_mode_writes_no_vault(folder: Path, play: Play) -> None:
    checked = play("-i", folder, "--check")
    assert checked.returncode == 0, checked.stdout
    assert "+ own CA for" in checked.stdout
    assert not vault(folder).exists()


def test_a_wrong_word_in_the_vault_is_one_line(folder: Path, play: Play) -> None:
    vault(folder).parent.mkdir(parents=True, exist_ok=True)
    vault(folder).write_text("postroom_vault: {format: 3}\n")
    said = play("-i", folder)
    assert said.returncode != 0
    assert (
        "The vault: the vault has format 3, and this release reads formats 1 and 2. Nothing was"
        in " ".join((said.stdout + said.stderr).split())
    )


@pytest.mark.parametrize("how", ["-i", "--inventory", "environment"])
def test_a_lost_password_is_one_line_and_no_new_one_is_made(
    folder: Path, play: Play, tmp_path: Path, how: str
) -> None:
    vault(folder).parent.mkdir(parents=True, exist_ok=True)
    vault(folder).write_text("$ANSIBLE_VAULT;1.1;AES256\n")
    said = play(ANSIBLE_INVENTORY=str(folder)) if how == "environment" else play(how, folder / "hosts.yml")
    assert said.returncode != 0
    assert f"{tmp_path}/password is missing, so {vault(folder)} cannot be opened" in said.stderr
    assert not (tmp_path / "password").exists()


def test_a_vault_that_is_only_looked_at_needs_its_password_too(folder: Path, tmp_path: Path) -> None:
    """Also beside a vault of the project's own, which is not the one that was asked for."""
    program = Path(shutil.copytree(ROOT / "playbooks", tmp_path / "beside/playbooks")) / "vault_password.py"
    for place in (folder, tmp_path / "beside/inventory/another"):
        vault(place).parent.mkdir(parents=True, exist_ok=True)
        vault(place).write_text("$ANSIBLE_VAULT;1.1;AES256\n")
    more = {
        "POSTROOM_VAULT_PASSWORD_FILE": str(tmp_path / "password"),
        "ANSIBLE_VAULT_PASSWORD_FILE": str(program),
    }
    said = subprocess.run(
        [Path(sys.executable).with_name("ansible-vault"), "view", vault(folder)],
        cwd=tmp_path / "beside", env={**os.environ, **more}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert f"so {vault(folder)} cannot be opened" in said.stderr
    assert not (tmp_path / "password").exists()


def test_variables_that_the_vault_would_hide_are_refused(folder: Path, play: Play) -> None:
    (folder / "group_vars/postroom.yml").write_text("site_private_zones: [10.in-addr.arpa.]\n")
    said = " ".join(play("-i", folder).stdout.split())
    assert f"{folder}/group_vars/postroom.yml is not read beside the folder group_vars/postroom" in said
    assert "move it to group_vars/postroom/site.yml" in said
    assert not vault(folder).exists()


def test_a_bare_list_of_hosts_is_no_company(play: Play) -> None:
    said = " ".join(play("-i", "mail.example.org,").stdout.split())
    assert "the inventory has no hosts in the group postroom" in said


def test_two_inventories_are_no_inventory(folder: Path, play: Play, tmp_path: Path) -> None:
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "hosts.yml").write_text((other / "hosts.yml").read_text().replace("mail.", "post."))
    said = " ".join(play("-i", folder, "-i", other).stdout.split())
    assert f"the hosts come from {folder} and {other}" in said


def test_problems_are_printed_once_and_each_on_its_line(folder: Path, play: Play) -> None:
    path = folder / "group_vars/mycompany.yml"
    path.write_text(path.read_text().replace("company_administrator: ada", "company_administrator: bob"))
    done = play("-i", folder)
    assert done.returncode != 0
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "company_administrator" in line]
    remedy = "use one of its keys (ada, grace)"
    assert lines == [
        f"  company_administrator of My Company is 'bob', who is not in company_people: {remedy}"
    ]
    assert "1 problem, listed above. Nothing was changed." in done.stdout
    assert not vault(folder).exists()


def test_success_says_what_was_seen(folder: Path, play: Play) -> None:
    assert "  1 company, 2 domains, 2 people, 1 mail host: nothing is wrong.\n" in play("-i", folder).stdout


def test_other_machines_of_an_inventory_are_left_alone(folder: Path, play: Play) -> None:
    """A company's existing inventory, with variables of its own for all its machines, takes the group postroom in."""
    (folder / "others.yml").write_text(
        "webshop: {hosts: {WWW: {company_id: 7, ansible_host: 203.0.113.1}}}\n"
    )
    (folder / "group_vars/all.yml").write_text("ntp_servers: [ntp.example.org]\nsite_name: here\n")
    done = play("-i", folder)
    assert "WWW" not in done.stdout
    assert "site_name" not in done.stdout
    assert done.returncode == 0, done.stdout
