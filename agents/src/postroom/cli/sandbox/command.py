"""The command itself: start the domains, report them, and shut them down."""

import fcntl
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path

import click

from postroom.cli.sandbox.authority import Authority
from postroom.cli.sandbox.domains import LISTENERS, SandboxDomain
from postroom.cli.sandbox.processes import Process, SandboxFailed, Supervisor, agent_work
from postroom.mail.address import AddressError, parse_address, parse_domain
from postroom.runtime.nameserver import NameServer, Table
from postroom.runtime.notify import inherited_sockets, notify

READY_SECONDS = 30.0
LONGEST_SOCKET_PATH = 107  # sockaddr_un
REPORTED = ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "lmtp")


@click.command()
@click.option("--domain", "domains", multiple=True, metavar="DOMAIN", help="A domain; repeatable.")
@click.option("--user", "users", multiple=True, metavar="ADDRESS:PASSWORD", help="A person; repeatable.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False),
    help="Folder for all files (default: a temporary folder).",
)
@click.option(
    "--set", "changes", multiple=True, metavar="AGENT.FIELD=JSON", help="A setting of one agent (or of *)."
)
@click.option("--json", "as_json", is_flag=True, help="Report the running domains as one line of JSON.")
def sandbox(
    domains: tuple[str, ...],
    users: tuple[str, ...],
    folder: str | None,
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run whole mail domains on this machine, on loopback, without root, until interrupted.

    Without options: alpha.example and beta.example, each with one account, ada@ and a password that is printed.
    """
    started = time.monotonic()
    people = _people(domains, users)
    settings = [_change(text) for text in changes]
    root = Path(folder).resolve() if folder else Path(tempfile.mkdtemp(prefix="postroom-"))
    root.mkdir(parents=True, exist_ok=True)
    longest = max(len(str(root / name / "run" / "lmtp.sock")) for name in people) + 20
    if longest > LONGEST_SOCKET_PATH:
        raise click.ClickException(f"{root} is too long for sockets in it: give a shorter --dir")
    held = _hold(root)
    supervisor = Supervisor()
    try:
        standing = _stand_up(root, people, settings, supervisor)
        _report(root, standing, time.monotonic() - started, as_json)
        supervisor.watch()
    except SandboxFailed as error:
        raise click.ClickException(str(error)) from error
    finally:
        supervisor.stop()
        os.close(held)
        if folder is None:
            shutil.rmtree(root, ignore_errors=True)


def _hold(root: Path) -> int:
    """Lock the folder until the returned descriptor is closed."""
    descriptor = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise click.ClickException(
            f"another sandbox runs in {root}: end it, or give another --dir"
        ) from error
    return descriptor


def _people(domains: tuple[str, ...], users: tuple[str, ...]) -> dict[str, list[tuple[str, str]]]:
    try:
        people: dict[str, list[tuple[str, str]]] = {parse_domain(name): [] for name in domains}
        for text in users:
            address, colon, password = text.partition(":")
            if not colon or not password:
                raise AddressError("give ADDRESS:PASSWORD")
            parsed = parse_address(address)
            people.setdefault(parsed.domain, []).append((parsed.key, password))
    except AddressError as error:
        raise click.ClickException(f"--domain or --user: {error}") from error
    if not people:
        people = {"alpha.example": [], "beta.example": []}
    for name, having in people.items():
        if not having:
            having.append((f"ada@{name}", secrets.token_urlsafe(9)))
    return people


def _change(text: str) -> tuple[str, str, object]:
    place, equals, value = text.partition("=")
    agent, dot, name = place.partition(".")
    if not equals or not dot or (agent not in LISTENERS and agent != "*"):
        raise click.ClickException(f"--set {text}: give AGENT.FIELD=VALUE, such as relay.retry_minimum=5")
    try:
        return agent, name, json.loads(value)
    except json.JSONDecodeError:
        return agent, name, value


def _stand_up(
    root: Path,
    people: dict[str, list[tuple[str, str]]],
    settings: list[tuple[str, str, object]],
    supervisor: Supervisor,
) -> list[SandboxDomain]:
    authority = Authority()
    (root / "ca.pem").write_bytes(authority.pem)
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 0))
    resolver = f"127.0.0.1:{names.getsockname()[1]}"
    standing = [SandboxDomain(name, root / name, having) for name, having in people.items()]
    for domain in standing:
        domain.prepare(authority, resolver)
    ports = {domain.host: int(domain.endpoint("smtp").rpartition(":")[2]) for domain in standing}
    table = {key: records for domain in standing for key, records in domain.records().items()}
    table["1.0.0.127.in-addr.arpa", "PTR"] = tuple(f"{domain.host}." for domain in standing)
    processes = [Process("dns", "name server", root, (("dns", names),), lambda: _serve_names(table))]
    for domain in standing:
        domain.write_settings(ports, settings)
        processes += [_process(domain, agent) for agent in LISTENERS]
    supervisor.start(processes, READY_SECONDS)
    return standing


def _process(domain: SandboxDomain, agent: str) -> Process:
    given = tuple((name, domain.sockets[name]) for name in LISTENERS[agent])
    config = domain.root / "etc" / f"{agent}.toml"
    return Process(agent, f"{agent} of {domain.name}", domain.root / "run", given, agent_work(agent, config))


def _serve_names(table: Table) -> None:
    (endpoint,) = inherited_sockets()["dns"]
    endpoint.setblocking(True)
    notify("READY=1")
    NameServer(table).serve(endpoint)


def _report(root: Path, standing: list[SandboxDomain], seconds: float, as_json: bool) -> None:
    if as_json:
        domains = {
            domain.name: {
                **{name: domain.endpoint(name) for name in REPORTED},
                "submit": domain.endpoint("local"),
                "directory": str(domain.root),
                "users": [{"address": address, "password": password} for address, password in domain.people],
            }
            for domain in standing
        }
        print(json.dumps({"ca": str(root / "ca.pem"), "domains": domains}), flush=True)
        return
    print(f"Ready after {seconds:.1f} s in {root} (process {os.getpid()}); Ctrl-C ends it.")
    for domain in standing:
        print(f"\n{domain.name}")
        for name in REPORTED:
            print(f"  {name:12} {domain.endpoint(name)}")
        for address, password in domain.people:
            print(f"  login        {address}  {password}")
    _hint(root, standing)
    sys.stdout.flush()


def _hint(root: Path, standing: list[SandboxDomain]) -> None:
    first, last = standing[0], standing[-1]
    sender, password = first.people[0]
    reader, secret = last.people[0]
    print(
        f"""
Try it:
  printf 'From: {sender}\\nTo: {reader}\\nSubject: hello\\n\\nIt works.\\n' |
    curl -sS --cacert {root}/ca.pem --user '{sender}:{password}' --mail-from {sender} --mail-rcpt {reader} \\
      --upload-file - --crlf smtps://{first.endpoint("submissions").replace("127.0.0.1", "localhost")}
  curl -sS --cacert {root}/ca.pem --user '{reader}:{secret}' \\
      'imaps://{last.endpoint("imaps").replace("127.0.0.1", "localhost")}/INBOX;MAILINDEX=1'"""
    )
