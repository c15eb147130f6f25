"""`postroom store`: accounts on disk, listed and verified."""

import os
import sys
import time

import click

from postroom.cli import options
from postroom.cli.output import UNAVAILABLE, Failure, print_json
from postroom.contracts.errors import Unavailable
from postroom.contracts.storeadmin import Finding, StoreAdmin
from postroom.store.admin import open_admin


@click.group()
def store() -> None:
    """Show and check the mailboxes on this host."""


@store.command("list")
@options.accounts_directory
@options.as_json
def list_accounts(accounts_directory: str, as_json: bool) -> None:
    """List the accounts with their number of messages and octets."""
    admin = open_admin(accounts_directory)
    listed = []
    for account_id in _all(admin):
        try:
            usage = admin.usage(account_id)
            if usage is None:
                raise Unavailable("a folder without an account's database")
            listed.append({"account": account_id, "messages": usage.messages, "octets": usage.used})
        except Unavailable as error:
            listed.append({"account": account_id, "error": str(error)})
    if as_json:
        print_json(listed)
        return
    for row in listed:
        if "error" in row:
            click.echo(f"{row['account']:<24} {row['error']}")
        else:
            click.echo(f"{row['account']:<24} {row['messages']:>9} messages {row['octets']:>15} octets")


@store.command("show")
@click.argument("account")
@options.accounts_directory
@options.as_json
def show(account: str, accounts_directory: str, as_json: bool) -> None:
    """Show the mailboxes of one account, given by its id."""
    try:
        boxes = open_admin(accounts_directory).mailboxes(account)
    except Unavailable as error:
        raise Failure(f"{account}: {error}", UNAVAILABLE) from error
    if boxes is None:
        raise Failure(
            f"{account}: no such account below {accounts_directory}: `postroom store list` shows all"
        )
    if as_json:
        print_json([{"mailbox": box, "status": status} for box, status in boxes])
        return
    for box, status in boxes:
        click.echo(
            f"{box.name:<32} {status.messages:>7} messages {status.unseen:>7} unseen {status.size:>13} octets"
        )


@store.command("verify")
@click.argument("wanted", metavar="[ACCOUNT]...", nargs=-1)
@click.option("--repair", is_flag=True, help="Repair what can be repaired; no readable message is lost.")
@options.accounts_directory
@options.as_json
def verify_accounts(wanted: tuple[str, ...], repair: bool, accounts_directory: str, as_json: bool) -> None:
    """Compare rows, counters and message files of the given accounts, or of all accounts.

    It exits with 1 if something is wrong and was not repaired. It may run while the agents work; stop the agents only
    to repair a database that cannot be read at all.
    """
    if repair:
        os.umask(0o007)
    admin = open_admin(accounts_directory)
    names = wanted or _all(admin)
    findings: list[Finding] = []
    for index, account_id in enumerate(names):
        for finding in admin.verify(account_id, repair, _Progress(account_id, index, len(names))):
            findings.append(finding)
            if not as_json:
                mark = "repaired" if finding.repaired else "WRONG"
                click.echo(f"{finding.account}: {finding.kind}: {finding.text} [{mark}]")
    wrong = sum(not finding.repaired for finding in findings)
    if as_json:
        print_json({"accounts": len(names), "findings": findings, "wrong": wrong})
    else:
        click.echo(f"{len(names)} accounts verified: {wrong} problems, {len(findings) - wrong} repaired")
    sys.exit(1 if wrong else 0)


class _Progress:
    """One line on a terminal's stderr, updated at most five times a second."""

    def __init__(self, account_id: str, index: int, total: int) -> None:
        self._text = f"{index + 1}/{total} {account_id}"
        self._shown = time.monotonic()
        self._on = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._on or now - self._shown < 0.2:
            return
        self._shown = now
        click.echo(f"\r{self._text}: {done} of {total} messages\x1b[K", nl=done == total, err=True)


def _all(admin: StoreAdmin) -> tuple[str, ...]:
    try:
        return tuple(admin.accounts())
    except Unavailable as error:
        raise Failure(str(error), UNAVAILABLE) from error
