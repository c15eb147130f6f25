"""The present directory, for commands that show it."""

from postroom.cli.output import UNAVAILABLE, Failure
from postroom.contracts.errors import Unavailable
from postroom.directory.database import read_records
from postroom.directory.schema import AccountRecord, AliasRecord, Document, ListRecord, TeamRecord

Shared = AliasRecord | ListRecord | TeamRecord


def present(path: str) -> Document:
    """Return the directory's content. Raises Failure if there is none, or it cannot be read."""
    try:
        found = read_records(path)
    except Unavailable as error:
        raise Failure(str(error), UNAVAILABLE) from error
    if found is None:
        raise Failure(f"no directory at {path}: create it with `postroom directory apply`", UNAVAILABLE)
    return found


def find_account(document: Document, name: str) -> AccountRecord:
    """Find an account by id, by address, or by an address in an alias domain. Raises Failure."""
    key = name.lower()
    local, _, domain = key.rpartition("@")
    aliases = {found.name: found.alias_of for found in document.domains if found.alias_of}
    if domain in aliases:
        key = f"{local}@{aliases[domain]}"
    for account in document.accounts:
        if key in (account.id, account.address, *account.addresses):
            return account
    raise Failure(f"there is no account {name}: `postroom user list` shows all")


def shared(document: Document) -> list[Shared]:
    """Return every alias, list and team, sorted by address."""
    found: list[Shared] = [*document.aliases, *document.lists, *document.teams]
    return sorted(found, key=lambda each: each.address)
