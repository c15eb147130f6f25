#!/usr/bin/env python3
"""Print the password of the inventory's vault (Ansible's `vault_password_file`).

Each inventory has a password of its own, in `.secrets/vault-password.NAME` (mode 0600, never committed). NAME is the
name of the inventory's folder, and a hash of its path follows where it is outside of this project. The password is
made on first use. POSTROOM_VAULT_PASSWORD_FILE names another file. A vault that was made before 0.2 is opened by the
password that all inventories shared, `.secrets/vault-password`. When the file is missing although a sealed vault
exists, one line on stderr says so.
"""

import configparser
import hashlib
import os
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VAULT = Path("group_vars", "postroom", "secrets.yml")
FORMER_VAULT = Path("group_vars", "all", "secrets.yml")  # before 0.2; preflight says where it has to go
SEAL = b"$ANSIBLE_VAULT"
VARIABLES = ("group_vars", "host_vars")
GENERATIONS = 4  # from this program up to Ansible: a shell or a worker may stand between them


def password_file(inventory: Path) -> Path:
    """Return where the inventory's password is, or has to be."""
    if elsewhere := os.environ.get("POSTROOM_VAULT_PASSWORD_FILE"):
        return Path(elsewhere)
    name = inventory.name
    if inventory.parent != ROOT / "inventory":
        name += "-" + hashlib.sha256(os.fsencode(inventory)).hexdigest()[:8]
    of_all = ROOT / ".secrets" / "vault-password"
    own = of_all.with_name(f"vault-password.{name}")
    if sealed(inventory / FORMER_VAULT) and of_all.exists():
        return of_all
    return of_all if not own.exists() and of_all.exists() and sealed(inventory / VAULT) else own


def sealed(vault: Path) -> bool:
    try:
        with vault.open("rb") as file:
            return file.read(len(SEAL)) == SEAL
    except OSError:
        return False


def create(path: Path) -> None:
    """Write a new random password that nobody but the owner can read.

    Several programs may ask at once: the file that is there first is everybody's, and it is never half written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def inventory_folder() -> Path:
    """Return the folder of the inventory that Ansible is called with, or else of the one that ansible.cfg names.

    Of several, the first one with variables of the group postroom counts, or else the first. Preflight refuses hosts
    from more than one, but Molecule adds an inventory of its own that has none.
    """
    words = command_of_ansible()
    for path in map(Path, words):
        for name in VARIABLES:
            if name in path.parts:  # ansible-vault names a file, not an inventory
                return path.parents[len(path.parts) - 1 - path.parts.index(name)].resolve()
    named = [*inventories(words), *os.environ.get("ANSIBLE_INVENTORY", "").split(",")]
    paths = [Path(name).expanduser() for name in named if name]
    folders = [path if path.is_dir() else path.parent for path in paths or [configured()]]
    ours = [folder for folder in folders if (folder / VAULT.parent).is_dir()]
    return (ours or folders)[0].resolve()


def configured() -> Path:
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(ROOT / "ansible.cfg")
    return ROOT / settings.get("defaults", "inventory", fallback="inventory/demo")


def inventories(words: list[str]) -> list[str]:
    """What stands behind -i and --inventory in a command."""
    found = []
    for number, word in enumerate(words):
        if word in ("-i", "--inventory", "--inventory-file"):
            found += words[number + 1 : number + 2]
        elif word.startswith(("--inventory=", "--inventory-file=")):
            found.append(word.partition("=")[2])
        elif word.startswith("-i") and not word.startswith("--"):
            found.append(word[2:])
    return found


def command_of_ansible() -> list[str]:
    """The command that asks for the password, as Linux knows it; elsewhere only this project's inventories are seen."""
    process = os.getppid()
    try:
        for _ in range(GENERATIONS):
            words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
            if any("ansible" in Path(word).name for word in words[:2]):
                return words
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        pass
    return []


def main() -> int:
    inventory = inventory_folder()
    path, vault = password_file(inventory), inventory / VAULT
    if not path.exists():
        if sealed(vault):
            name = vault.relative_to(ROOT) if vault.is_relative_to(ROOT) else vault
            sys.stderr.write(
                f"The vault password file {path} is missing, so {name} cannot be opened: put the password there "
                "(mode 0600), or set POSTROOM_VAULT_PASSWORD_FILE.\n"
            )
            return 1
        create(path)
    sys.stdout.write(path.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
