"""One domain of the sandbox: its folder, certificate, keys, directory, passwords, settings and sockets."""

import base64
import json
import os
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from postroom.auth.hashing import Hasher
from postroom.auth.secrets import SecretStore
from postroom.cli.sandbox.authority import Authority
from postroom.directory.apply import apply
from postroom.directory.reading import read_document

# A sandbox is for trying: cheap verifiers make logins quick on small machines...
ARGON2 = {"argon2_memory_kib": 8192, "argon2_time": 1, "argon2_parallelism": 1}
LISTENERS = {
    "mta": ("smtp",),
    "msa": ("submission", "submissions", "local"),
    "imap": ("imap", "imaps"),
    "pop3": ("pop3", "pop3s"),
    "mda": ("lmtp",),
    "auth": ("auth",),
    "relay": (),
}
UNIX = {"local": "submit.sock", "lmtp": "lmtp.sock", "auth": "auth.sock"}


@dataclass
class SandboxDomain:
    """A domain, its people as (address, password), and its folder."""

    name: str
    root: Path
    people: list[tuple[str, str]]
    sockets: dict[str, socket.socket] = field(default_factory=dict)
    selectors: dict[str, str] = field(default_factory=dict)  # selector to TXT record

    @property
    def host(self) -> str:
        """The domain's only host."""
        return f"mail.{self.name}"

    def prepare(self, authority: Authority, resolver: str) -> None:
        """Prepare everything except the settings, which need the ports of all domains."""
        for folder in ("etc/tls", "etc/dkim", "run/notice", "run/over-quota", "var/accounts", "var/secrets"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        for agent in ("mta", "msa", "mda", "relay"):
            (self.root / "var/spool" / agent).mkdir(parents=True, exist_ok=True)
        self._resolver = resolver
        authority.issue(self.root / "etc/tls" / self.host, [self.host, self.name, "localhost"], ["127.0.0.1"])
        self._make_keys()
        srs = self.root / "etc/srs-secrets"
        if not srs.exists():
            srs.write_text(base64.b32encode(os.urandom(20)).decode() + "\n")
            srs.chmod(0o600)
        self._fill_directory()
        self._bind()

    def _make_keys(self) -> None:
        folder = self.root / "etc/dkim" / self.name
        folder.mkdir(exist_ok=True)
        for selector, algorithm in (("rsa", "rsa"), ("ed", "ed25519")):
            path = folder / f"{selector}.pem"
            if path.exists():
                key = serialization.load_pem_private_key(path.read_bytes(), None)
            else:
                key = (
                    rsa.generate_private_key(65537, 2048)
                    if algorithm == "rsa"
                    else ed25519.Ed25519PrivateKey.generate()
                )
                path.write_bytes(
                    key.private_bytes(
                        serialization.Encoding.PEM,
                        serialization.PrivateFormat.PKCS8,
                        serialization.NoEncryption(),
                    )
                )
                path.chmod(0o600)
            self.selectors[selector] = f"v=DKIM1; k={algorithm}; p={_public(key, algorithm)}"

    def _fill_directory(self) -> None:
        accounts = [
            {"id": _account_id(address), "address": address, "name": address.partition("@")[0].title()}
            for address, _ in self.people
        ]
        administrator = self.people[0][0]
        document = {
            "version": 1,
            "domains": [
                {"name": self.name, "home": self.host, "selectors": sorted(self.selectors)},
                {"name": self.host, "home": self.host},
            ],
            "accounts": accounts,
            "aliases": [
                {"address": f"{local}@{domain}", "members": [administrator]}
                for local in ("postmaster", "abuse", "root")
                for domain in (self.name, self.host)
                if f"{local}@{domain}" not in {address for address, _ in self.people}
            ],
        }
        apply(self.root / "var/directory.db", read_document(json.dumps(document).encode()))
        hasher = Hasher(ARGON2["argon2_memory_kib"], ARGON2["argon2_time"], ARGON2["argon2_parallelism"])
        secrets = SecretStore(self.root / "var/secrets/secrets.db")
        for address, password in self.people:
            secrets.set(_account_id(address), hasher.make(password), time.time())
        secrets.close()

    def _bind(self) -> None:
        for names in LISTENERS.values():
            for name in names:
                if name in UNIX:
                    path = self.root / "run" / UNIX[name]
                    path.unlink(missing_ok=True)
                    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                    listening.bind(str(path))
                    path.chmod(0o600)
                else:
                    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    listening.bind(("127.0.0.1", 0))
                listening.listen(1024)
                self.sockets[name] = listening

    def endpoint(self, name: str) -> str:
        """Return the address of a listener: `127.0.0.1:PORT` or a path."""
        address = self.sockets[name].getsockname()
        return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)

    def records(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Return the domain's records for the sandbox's name server."""
        spf = '"v=spf1 ip4:127.0.0.1 -all"'
        table: dict[tuple[str, str], tuple[str, ...]] = {
            (self.name, "MX"): (f"10 {self.host}.",),
            (self.name, "TXT"): (spf,),
            (self.host, "TXT"): (spf,),
            (self.host, "A"): ("127.0.0.1",),
            (f"_dmarc.{self.name}", "TXT"): ('"v=DMARC1; p=reject"',),
        }
        for selector, text in self.selectors.items():
            pieces = [text[start : start + 255] for start in range(0, len(text), 255)]
            table[f"{selector}._domainkey.{self.name}", "TXT"] = (" ".join(f'"{piece}"' for piece in pieces),)
        return table

    def write_settings(self, ports: dict[str, int], changes: Iterable[tuple[str, str, object]]) -> None:
        """Write one TOML file per agent. `changes` are (agent, field, value) from the command line."""
        for agent in LISTENERS:
            settings = self._settings(agent, ports)
            settings.update({name: value for wanted, name, value in changes if wanted in (agent, "*")})
            text = "".join(f"{name} = {_toml(value)}\n" for name, value in settings.items())
            (self.root / "etc" / f"{agent}.toml").write_text(text)

    def _settings(self, agent: str, ports: dict[str, int]) -> dict[str, object]:
        root = str(self.root)
        common: dict[str, object] = {
            "host_name": self.host,
            "run_directory": f"{root}/run",
            "directory_path": f"{root}/var/directory.db",
            "drain_seconds": 3.0,
        }
        spool = {"spool_directory": f"{root}/var/spool/{agent}"}
        resolver = {"resolver": self._resolver}
        srs = {"srs_secrets_file": f"{root}/etc/srs-secrets"}
        tls = {"tls_directory": f"{root}/etc/tls"}
        auth = {"auth_socket": f"{root}/run/auth.sock"}
        quota = {"over_quota_directory": f"{root}/run/over-quota"}
        store = {"accounts_directory": f"{root}/var/accounts", "notice_directory": f"{root}/run/notice"}
        own: dict[str, dict[str, object]] = {
            "mta": {**spool, **resolver, **tls, **srs, **quota},
            "msa": {**spool, **tls, **auth, **srs, "counters_path": f"{root}/var/spool/msa/counters.sqlite"},
            "relay": {
                **resolver,
                **srs,
                "spool_directories": [f"{root}/var/spool/{writer}" for writer in ("mta", "msa", "mda")],
                "report_spool_directory": f"{root}/var/spool/relay",
                "lmtp_socket": f"{root}/run/lmtp.sock",
                "dkim_directory": f"{root}/etc/dkim",
                "ca_file": str(self.root.parent / "ca.pem"),
                "mx_ports": ports,
                "address_families": ["ipv4"],
            },
            "mda": {**spool, **store, **quota},
            "imap": {**store, **tls, **auth},
            "pop3": {**store, **tls, **auth},
            "auth": {
                "secrets_path": f"{root}/var/secrets/secrets.db",
                "guesses_path": f"{root}/var/secrets/guesses.db",
                **ARGON2,
            },
        }
        return {**common, **own[agent]}


def _account_id(address: str) -> str:
    return address.partition("@")[0].lower()


def _public(key: object, algorithm: str) -> str:
    if algorithm == "rsa":
        assert isinstance(key, rsa.RSAPrivateKey)
        octets = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    else:
        assert isinstance(key, ed25519.Ed25519PrivateKey)
        octets = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(octets).decode()


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {_toml(item)}" for name, item in value.items()) + " }"
    return json.dumps(value)  # TOML writes strings, numbers, booleans and lists as JSON does
