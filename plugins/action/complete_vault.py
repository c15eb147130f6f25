"""Read the inventory's vault, complete it, and seal it again: on the controller, whatever the host.

Arguments: `path` of the vault; `companies` as postroom_companies has them; `ca_names`, which the own CA is limited to.
Sets the fact `postroom_secrets`: the vault's contents. Returns `differences`: what comes and goes, by name. Check mode
draws nothing and writes nothing; only the own CA is made where it is missing, in memory, so that roles can go on.
The task must have `no_log: true`, since the fact holds every secret.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail
from ansible.parsing.vault import VaultLib, is_encrypted, match_encrypt_secret
from ansible.plugins.action import ActionBase

# Ansible looks for plugin_utils only in a collection that is installed, which this checkout is not.
sys.path.append(str(Path(__file__).resolve().parents[1]))
from plugin_utils.drawing import Drawn, Undrawn
from plugin_utils.own_ca import own_ca
from plugin_utils.vault_contents import Companies, completed
from plugin_utils.vault_format import faults, upgraded
from plugin_utils.vault_names import differences

VARIABLE = "postroom_vault"


class ActionModule(ActionBase):
    """Works on files of the controller only."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        del tmp
        result: dict[str, Any] = super().run(None, task_vars)
        check = bool(self._task.check_mode)
        given = plain(self._task.args)
        path, companies, ca_names = Path(given["path"]), given["companies"], given["ca_names"]
        # What is not read from the file may be a variable of a file that people keep elsewhere.
        existing, sealed = self.read(path)
        existing = existing or plain((task_vars or {}).get(VARIABLE) or {})
        now = datetime.now(UTC)
        made, lines = contents(existing, companies, ca_names, now, draw=not check)
        changed = made != existing or not sealed
        if changed and not check:
            self.write(path, made)
        return {
            **result,
            "changed": changed,
            "differences": lines,
            "ansible_facts": {"postroom_secrets": made},
        }

    def vault(self) -> VaultLib:
        secrets = self._loader._vault.secrets
        if not secrets:
            raise AnsibleActionFail(
                "Ansible has no password for the vault: run it in the project's folder, whose ansible.cfg names "
                "playbooks/vault_password.py. Nothing was changed."
            )
        return VaultLib(secrets)

    def read(self, path: Path) -> tuple[dict[str, Any], bool]:
        """Return the vault's contents, and whether they were sealed; nothing where there is no vault yet."""
        if not path.exists():
            return {}, False
        text = path.read_bytes()
        sealed = is_encrypted(text)
        found = yaml.safe_load(self.vault().decrypt(text) if sealed else text) or {}
        return dict(found.get(VARIABLE) or {}), sealed

    def write(self, path: Path, made: Mapping[str, Any]) -> None:
        """Replace the vault at once: after a crash there is the old one or the new one."""
        vault = self.vault()
        _, secret = match_encrypt_secret(vault.secrets)
        text = vault.encrypt(yaml.dump({VARIABLE: made}, Dumper=Readable, width=10000), secret)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}~")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def contents(
    existing: Mapping[str, Any], companies: Companies, ca_names: list[str], now: datetime, draw: bool
) -> tuple[dict[str, Any], list[str]]:
    """Return the completed vault, and a line for all that comes and goes."""
    today = now.strftime("%Y-%m-%d")
    before = upgraded(existing, companies, today)
    if wrong := list(faults(before)):
        raise AnsibleActionFail(f"The vault: {'; '.join(wrong)}. Nothing was changed.")
    made = completed(before, companies, today, Drawn() if draw else Undrawn())
    if made.get("tls_ca", {}).get("names", []) != ca_names:
        title = ", ".join(str(company["name"]) for company in companies)
        made["tls_ca"] = own_ca(made.get("tls_ca", {}), ca_names, title, now)
    new_format = ["* the vault becomes format 2: secrets are sorted by company"]
    return made, [*(new_format if existing and before != existing else []), *differences(before, made)]


class Readable(yaml.SafeDumper):
    """Writes what people read with ansible-vault view: keys of several lines as such, and nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Readable.add_representer(str, block)


def plain(value: Any) -> Any:
    """Return a copy made of ordinary dictionaries, lists and scalars, without the types of Ansible around them."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    return next((kind(value) for kind in (str, int, float) if isinstance(value, kind)), value)
