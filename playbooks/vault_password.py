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
VAULTS = "inventory/*/group_vars/all/secrets.yml"


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


def main() -> int:
    path = password_file()
    if not path.exists():
        vaults = sorted(vault.relative_to(ROOT) for vault in ROOT.glob(VAULTS))
        if vaults:
            sys.stderr.write(
                f"The vault password file {path} is missing, so {vaults[0]} cannot be opened: put the password there "
                "(mode 0600), or set POSTROOM_VAULT_PASSWORD_FILE.\n"
            )
            return 1
        create(path)
    sys.stdout.write(path.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
