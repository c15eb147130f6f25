"""`postroom store`: accounts on disk, listed and verified."""

import os
import sqlite3
import sys
import time
from contextlib import closing
from typing import Final

import click
import msgspec

from postroom.contracts.errors import MailError
from postroom.store import files, mailboxes
from postroom.store.database import Database
from postroom.store.names import account_folder
from postroom.store.verify import Finding, accounts, verify

ACCOUNTS: Final = "/var/lib/postroom/accounts"
_directory = click.option(
    "--accounts-directory",
    "directory",
    default=ACCOUNTS,
    show_default=True,
    type=click.Path(exists=True, file_okay=False),
    help="where the accounts are",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="for programs")


@click.group()
def store() -> None:
    """Mailboxes on this host."""


@store.command("list")
@_directory
@_as_json
def list_accounts(directory: str, as_json: bool) -> None:
    """Accounts with their use."""
    listed = []
    for account_id in accounts(directory):
        try:
            with closing(_open(directory, account_id)) as database:
                quota = mailboxes.quota(database, 0)
            listed.append({"account": account_id, "messages": quota.messages, "octets": quota.used})
        except (OSError, sqlite3.Error, MailError) as error:
            listed.append({"account": account_id, "error": str(error)})
    if as_json:
        click.echo(msgspec.json.encode(listed))
        return
    for row in listed:
        if "error" in row:
            click.echo(f"{row['account']:<24} {row['error']}")
        else:
            click.echo(f"{row['account']:<24} {row['messages']:>9} messages {row['octets']:>15} octets")


@store.command("show")
@click.argument("account")
@_directory
@_as_json
def show(account: str, directory: str, as_json: bool) -> None:
    """Mailboxes of one account."""
    try:
        with closing(_open(directory, account)) as database:
            boxes = [
                (box, mailboxes.status(database, box.name))
                for box in mailboxes.all_mailboxes(database)
                if box.selectable
            ]
    except (OSError, sqlite3.Error, MailError) as error:
        raise click.ClickException(f"{account}: {error}") from error
    if as_json:
        click.echo(msgspec.json.encode([{"mailbox": box, "status": status} for box, status in boxes]))
        return
    for box, status in boxes:
        click.echo(
            f"{box.name:<32} {status.messages:>7} messages {status.unseen:>7} unseen {status.size:>13} octets"
        )


@store.command("verify")
@click.argument("wanted", metavar="[ACCOUNT]...", nargs=-1)
@click.option("--repair", is_flag=True, help="put right what can be put right; no readable message is lost")
@_directory
@_as_json
def verify_accounts(wanted: tuple[str, ...], repair: bool, directory: str, as_json: bool) -> None:
    """Compare rows, counters and message files; without names: of all accounts.

    Ends with 1 when something is wrong and was not put right. May run while the agents work; only a database that
    cannot be read at all should be repaired with the agents stopped.
    """
    if repair:
        os.umask(0o007)
    names = wanted or tuple(accounts(directory))
    findings: list[Finding] = []
    for place, account_id in enumerate(names):
        for finding in verify(directory, account_id, repair, _Progress(account_id, place, len(names))):
            findings.append(finding)
            if not as_json:
                mark = "repaired" if finding.repaired else "WRONG"
                click.echo(f"{finding.account}: {finding.kind}: {finding.text} [{mark}]")
    wrong = sum(not finding.repaired for finding in findings)
    if as_json:
        result = {"accounts": len(names), "findings": findings, "wrong": wrong}
        click.echo(msgspec.json.encode(result))
    else:
        click.echo(f"{len(names)} accounts verified: {wrong} problems, {len(findings) - wrong} repaired")
    sys.exit(1 if wrong else 0)


class _Progress:
    """One line on a terminal's stderr, written anew at most five times a second."""

    def __init__(self, account_id: str, place: int, total: int) -> None:
        self._text = f"{place + 1}/{total} {account_id}"
        self._shown = time.monotonic()
        self._on = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._on or now - self._shown < 0.2:
            return
        self._shown = now
        click.echo(f"\r{self._text}: {done} of {total} messages\x1b[K", nl=done == total, err=True)


def _open(directory: str, account_id: str) -> Database:
    path = os.path.join(directory, account_folder(account_id))
    if not files.is_account(path):
        raise FileNotFoundError(f"no such account below {directory}")
    return Database(path, int(time.time()), 10.0)
