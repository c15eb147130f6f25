"""`postroom config`: check the agents' settings by the agents' own rules."""

import importlib
from pathlib import Path

import click

from postroom.cli import options
from postroom.cli.output import Failure, print_json
from postroom.runtime.config import ConfigError, Settings, load

AGENTS = {
    "mta": "MtaConfig", "msa": "MsaConfig", "relay": "RelayConfig", "mda": "MdaConfig", "imap": "ImapConfig",
    "pop3": "Pop3Config", "auth": "AuthConfig",
}  # fmt: skip


@click.group()
def config() -> None:
    """Check the agents' settings."""


@config.command("check")
@click.argument("files", nargs=-1, type=click.Path())
@options.as_json
def check(files: tuple[str, ...], as_json: bool) -> None:
    """Check settings files; without FILES, all of /etc/postroom. A file has the name of its agent: imap.toml.

    Only the agent itself can check its folders and sockets: run `postroom-imap --check-config` as its user.
    """
    paths = [Path(file) for file in files] or sorted(Path(options.rooted("/etc/postroom")).glob("*.toml"))
    if not paths:
        raise Failure(f"no settings in {options.rooted('/etc/postroom')}: give the files as arguments")
    found = {str(path): _fault(path) for path in paths}
    if as_json:
        print_json([{"file": file, "ok": not fault, "fault": fault} for file, fault in found.items()])
    else:
        for file, fault in found.items():
            click.echo(fault if fault else f"{file}: ok", err=bool(fault))
    bad = sum(map(bool, found.values()))
    if bad:
        raise Failure(f"{bad} of {len(found)} files cannot be used")


def _fault(path: Path) -> str:
    """Return the fault of the file, or an empty string."""
    if path.stem not in AGENTS:
        return f"{path}: no agent has this name; there are {', '.join(AGENTS)}"
    kind: type[Settings] = getattr(importlib.import_module(f"postroom.{path.stem}.config"), AGENTS[path.stem])
    try:
        load(path, kind)
    except ConfigError as error:
        return str(error)
    return ""
