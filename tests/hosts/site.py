"""The demo's hosts as a Site for the mail clients, with the passwords of its vault."""

import functools
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from ..agents import PORTS

ROOT = Path(__file__).resolve().parents[2]
VAULT = "inventory/demo/group_vars/postroom/secrets.yml"


class HostsSite:
    """Mail hosts by their addresses of the inventory."""

    def __init__(self, family: str = "host_ipv4") -> None:
        hosts = yaml.safe_load((ROOT / "inventory/demo/hosts.yml").read_text())
        self._addresses: dict[str, str] = {}
        for company in ("alpha", "beta"):
            for host, variables in hosts[company]["hosts"].items():
                self._addresses[host.removeprefix("mail.")] = variables[family]
        path = ROOT / "build" / "demo-ca.pem"
        path.write_text(vault()["tls_ca"]["certificate"])
        self.ca = str(path)

    def port(self, domain: str, service: str) -> tuple[str, int]:
        """Where a service of a domain is reached."""
        return self._addresses[domain], PORTS[service]

    def password(self, address: str) -> str:
        """A person's first password."""
        local, _, domain = address.partition("@")
        company = domain.removesuffix(".example")
        return str(vault()["companies"][company]["first_passwords"][local])


@functools.cache
def vault() -> Any:
    """The demo's secrets, opened with the vault's password file."""
    program = Path(sys.executable).with_name("ansible-vault")
    done = subprocess.run([program, "view", VAULT], cwd=ROOT, capture_output=True, text=True, check=True)
    return yaml.safe_load(done.stdout)["postroom_vault"]
