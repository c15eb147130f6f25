"""Work out what applying a document changes, and what the directory then contains."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from postroom.directory.schema import KINDS, AccountRecord, AccountState, Document, Record

_SINGULAR = {"domains": "domain", "accounts": "account", "aliases": "alias", "lists": "list", "teams": "team"}
_SIGNS = {"added": "+", "changed": "~", "disabled": "!", "deleted": "-", "removed": "-"}
_LOGINS = {
    "password": "* account {} first password set",
    "password renewed": "* account {} first password set; the previous password is no longer valid",
    "password kept": "= account {} is back; the previous password is valid",
    "first password kept": "= account {} is back; the first password is still valid",
    "own password kept": "= account {} is back; the previous password is valid, the given first password is not",
    "password unheard": "= account {} keeps its password; the given first password is not valid",
}


class ChangeKind(StrEnum):
    """What happens to one object."""

    ADDED = "added"
    CHANGED = "changed"
    DISABLED = "disabled"  # an account that the document no longer names; it is kept
    DELETED = "deleted"  # an account whose state in the document is `deleted`
    REMOVED = "removed"
    FIRST_LOGIN = "password"  # the first password is set
    # A new first password replaces the one from before the account was removed.
    RENEWED_LOGIN = "password renewed"
    KEPT_LOGIN = "password kept"  # a disabled account is active again, with its previous password
    KEPT_FIRST = "first password kept"  # the same, and that is the first password in the document
    KEPT_OWN = "own password kept"  # the same, and it differs from the first password in the document
    # The account has a password, so the document's new first password has no effect.
    UNHEARD = "password unheard"


class Change(NamedTuple):
    """The change of one object."""

    kind: str  # domain, account, alias, list, team
    key: str
    action: ChangeKind
    fields: Mapping[str, tuple[Any, Any]] = {}  # name to (old, new); only for CHANGED

    def __str__(self) -> str:
        if self.action in _LOGINS:
            return _LOGINS[self.action].format(self.key)
        head = f"{_SIGNS[self.action]} {self.kind} {self.key} {self.action.value}"
        return head + "".join(f"\n    {name}: {old} -> {new}" for name, (old, new) in self.fields.items())


class Plan(NamedTuple):
    """The new content and the changes that lead to it. Without changes, the file stays as it is."""

    document: Document
    changes: tuple[Change, ...]


def plan(present: Document | None, wanted: Document) -> Plan:
    """Compare two documents. Accounts that `wanted` does not name are disabled and kept; passwords are left out."""
    old = present or Document(version=wanted.version)
    accounts, changes = _accounts(old, wanted)
    wanted = msgspec.structs.replace(wanted, accounts=accounts)
    for kind in KINDS:
        if kind is not AccountRecord:
            changes += _section(_by_key(old, kind), _by_key(wanted, kind))
    return Plan(wanted, tuple(changes))


def _by_key(document: Document, kind: type[Record]) -> dict[str, Record]:
    return {record.key: record for record in getattr(document, kind.section)}


def _section(old: dict[str, Record], new: dict[str, Record]) -> list[Change]:
    changes = [
        Change(_SINGULAR[record.section], key, ChangeKind.REMOVED)
        for key, record in old.items()
        if key not in new
    ]
    for key, record in new.items():
        if key not in old:
            changes.append(Change(_SINGULAR[record.section], key, ChangeKind.ADDED))
        elif old[key] != record:
            changes.append(
                Change(_SINGULAR[record.section], key, ChangeKind.CHANGED, _fields(old[key], record))
            )
    return changes


def _accounts(old: Document, wanted: Document) -> tuple[tuple[AccountRecord, ...], list[Change]]:
    before = {account.id: account for account in old.accounts}
    accounts = [msgspec.structs.replace(account, password="", password_id="") for account in wanted.accounts]
    changes = [change for account in accounts if (change := _account(before.get(account.id), account))]
    named = {account.id for account in accounts}
    for account in old.accounts:
        if account.id in named:
            continue
        if account.state is AccountState.ACTIVE:
            changes.append(Change("account", account.id, ChangeKind.DISABLED))
            account = msgspec.structs.replace(account, state=AccountState.DISABLED)  # noqa: PLW2901
        accounts.append(account)
    return tuple(accounts), changes


def _account(before: AccountRecord | None, account: AccountRecord) -> Change | None:
    gone = AccountState.DELETED
    if account.state is gone:
        known = before is not None and before.state is not gone
        return Change("account", account.id, ChangeKind.DELETED) if known else None
    if before is None or before.state is gone:
        return Change("account", account.id, ChangeKind.ADDED)
    if before == account:
        return None
    return Change("account", account.id, ChangeKind.CHANGED, _fields(before, account))


def _fields(old: Record, new: Record) -> dict[str, tuple[Any, Any]]:
    before, after = _plain(old), _plain(new)
    return {
        name: (before.get(name), after.get(name))
        for name in (field.name for field in msgspec.structs.fields(old))
        if before.get(name) != after.get(name)
    }


def _plain(record: Record) -> dict[str, Any]:
    return {name: msgspec.to_builtins(getattr(record, name)) for name in record.__struct_fields__}
