#!/usr/bin/env python3
"""Print the password of the inventory's vault (Ansible's `vault_password_file`).

The password stands in `.secrets/vault-password` (mode 0600, never committed) or where
POSTROOM_VAULT_PASSWORD_FILE points. It is made on first use. When it is gone although a vault exists that it must
open, one line on stderr says so.
"""

import os
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VAULT = Path("group_vars", "all", "secrets.yml")
GENERATIONS = 4  # from this program up to Ansible: a shell or a worker may stand between them


def password_file() -> Path:
    return Path(os.environ.get("POSTROOM_VAULT_PASSWORD_FILE") or ROOT / ".secrets" / "vault-password")


def create(path: Path) -> None:
    """Write a new random password that nobody but the owner can read.

    Several programs may ask at once: the first name that stands is everybody's, and it never stands half written.
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


def vaults() -> list[Path]:
    """The vaults that are there: the file or inventories that Ansible is called with, or else those of this project."""
    words = command_of_ansible()
    files = [Path(word) for word in words if Path(word).parts[-3:] == VAULT.parts]  # ansible-vault
    named = [*inventories(words), *os.environ.get("ANSIBLE_INVENTORY", "").split(",")]
    paths = [Path(name).expanduser() for name in named if name]
    folders = [file.parents[2] for file in files] or [
        path if path.is_dir() else path.parent for path in paths
    ]
    folders = folders or [*(ROOT / "inventory").glob("*")]
    return sorted({found.resolve() for folder in folders if (found := folder / VAULT).is_file()})


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
    path = password_file()
    if not path.exists():
        found = vaults()
        if found:
            name = found[0].relative_to(ROOT) if found[0].is_relative_to(ROOT) else found[0]
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
