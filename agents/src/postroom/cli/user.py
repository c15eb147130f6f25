"""`postroom user`: show people and set their passwords."""

import sys
import time

import click

from postroom.cli import options
from postroom.cli.output import UNAVAILABLE, Failure, octets, print_fields, print_json, print_table
from postroom.cli.present import find_account, present, shared
from postroom.contracts.errors import Unavailable
from postroom.directory.schema import AccountRecord, AccountState, Document


@click.group()
def user() -> None:
    """Show people and set their passwords."""


@user.command("list")
@click.option("--domain", help="Only of this domain.")
@click.option(
    "--state", type=click.Choice([state.value for state in AccountState]), help="Only in this state."
)
@options.directory_path
@options.as_json
def list_users(domain: str | None, state: str | None, directory: str, as_json: bool) -> None:
    """List everybody who has a mailbox, or had one."""
    document = present(directory)
    found = [account for account in document.accounts if _wanted(account, domain, state)]
    if as_json:
        print_json(found)
        return
    rows = [
        (account.id, account.address, account.name, account.state.value, _quota(account)) for account in found
    ]
    print_table(("ID", "ADDRESS", "NAME", "STATE", "QUOTA"), rows)


@user.command("show")
@click.argument("name", metavar="ADDRESS|ID")
@options.directory_path
@options.as_json
def show(name: str, directory: str, as_json: bool) -> None:
    """Show one person, with the aliases, lists and teams that include them."""
    document = present(directory)
    account = find_account(document, name)
    reached = _reached_by(document, account)
    if as_json:
        print_json({"account": account, "member_of": reached})
        return
    limits = account.limits
    print_fields([
        ("id", account.id),
        ("address", account.address),
        ("further addresses", account.addresses),
        ("name", account.name),
        ("state", account.state.value),
        ("quota", _quota(account)),
        ("messages per day", limits.messages_per_day or None),
        ("recipients per day", limits.recipients_per_day or None),
        ("may send as", account.rights.send_as),
        ("member of", reached),
    ])  # fmt: skip


@user.command("passwd")
@click.argument("name", metavar="ADDRESS|ID")
@click.option(
    "--stdin", "from_stdin", is_flag=True, help="Read one line from standard input without a prompt."
)
@options.directory_path
@options.secrets_path
@options.auth_config
def passwd(name: str, from_stdin: bool, directory: str, secrets: str, auth_config: str) -> None:
    """Set a new password; it takes effect at once, in all services.

    The command prompts for the password, or reads it from standard input; it is never part of a command line.
    """
    from postroom.auth.secrets import SecretStore  # noqa: PLC0415  # hashing is slow to import
    from postroom.cli.passwords import hasher  # noqa: PLC0415

    account = find_account(present(directory), name)
    if account.state is AccountState.DELETED:
        raise Failure(f"{account.id} is deleted: remove `state` from the directory first")
    password = _password(from_stdin)
    store = SecretStore(secrets)
    try:
        store.set(account.id, hasher(auth_config).make(password), time.time())
    except Unavailable as error:
        raise Failure(str(error), UNAVAILABLE) from error
    finally:
        store.close()
    click.echo(f"changed the password of {account.address}")


def _password(from_stdin: bool) -> str:
    if from_stdin or not sys.stdin.isatty():
        password = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    else:
        password = click.prompt("New password", hide_input=True, confirmation_prompt="Again")
    if not password or "\0" in password or len(password) > 1024:
        raise Failure("a password has 1 to 1024 characters, none of them NUL: nothing was changed")
    return password


def _wanted(account: AccountRecord, domain: str | None, state: str | None) -> bool:
    if domain is not None and account.address.rpartition("@")[2] != domain.lower():
        return False
    return state is None or account.state.value == state


def _quota(account: AccountRecord) -> str:
    return octets(account.quota_bytes) if account.quota_bytes else "-"


def _reached_by(document: Document, account: AccountRecord) -> list[str]:
    own = {account.address, *account.addresses}
    return [each.address for each in shared(document) if own & set(each.members)]
