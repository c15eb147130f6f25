"""Decide which password an account has after a document is applied: the given first one, or the previous one.

A password that the person has set stays, even while the account is disabled. A first password that was generated anew
while an account was out of use replaces the previous one, so that people who knew that one cannot log in again.
Room rule: pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from postroom.directory.plan import Change, ChangeKind
from postroom.directory.schema import AccountRecord, AccountState, Document

States = Mapping[str, AccountState]


@dataclass
class Logins:
    """The passwords to set and the changes to report to the operator."""

    first: dict[str, str] = field(default_factory=dict)  # account to password, for accounts without one
    renewed: dict[str, str] = field(default_factory=dict)  # the same, replacing the present password
    # account to the id of the first password it was offered
    notes: dict[str, str] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)


def open_questions(
    wanted: Document, before: States, known: frozenset[str], noted: Mapping[str, str]
) -> dict[str, str]:
    """Return by account the first passwords that the caller has to compare with the present ones.

    `before`: account to its state until now. `known`: accounts with a password. `noted`: account to the id of the
    first password that it was last offered.
    """
    return {
        account.id: account.password
        for account in _living(wanted)
        if account.id in known and account.password and _is_in_question(account, before, noted)
    }


def decide(
    wanted: Document,
    before: States,
    known: frozenset[str],
    noted: Mapping[str, str],
    same: Mapping[str, bool],
) -> Logins:
    """Decide for each account of the document. `same`: the answers to `open_questions`."""
    logins = Logins()
    for account in _living(wanted):
        if action := _action(account, before.get(account.id), account.id in known, noted, same):
            logins.changes.append(Change("account", account.id, action))
        if action is ChangeKind.FIRST_LOGIN:
            logins.first[account.id] = account.password
        elif action is ChangeKind.RENEWED_LOGIN:
            logins.renewed[account.id] = account.password
        if account.password and account.password_id and noted.get(account.id) != account.password_id:
            logins.notes[account.id] = account.password_id
    return logins


def _action(
    account: AccountRecord,
    before: AccountState | None,
    has_one: bool,
    noted: Mapping[str, str],
    same: Mapping[str, bool],
) -> ChangeKind | None:
    if not has_one:
        return ChangeKind.FIRST_LOGIN if account.password else None
    returns = before is AccountState.DISABLED and account.state is AccountState.ACTIVE
    if account.id not in same:
        return ChangeKind.KEPT_LOGIN if returns else None
    if same[account.id]:
        return ChangeKind.KEPT_FIRST if returns else None
    if before is AccountState.DISABLED and _is_drawn_anew(account, noted):
        return ChangeKind.RENEWED_LOGIN
    return ChangeKind.KEPT_OWN if returns else ChangeKind.UNHEARD


def _living(wanted: Document) -> Iterable[AccountRecord]:
    return (account for account in wanted.accounts if account.state is not AccountState.DELETED)


def _is_in_question(account: AccountRecord, before: States, noted: Mapping[str, str]) -> bool:
    returns = before.get(account.id) is AccountState.DISABLED and account.state is AccountState.ACTIVE
    return returns or _is_drawn_anew(account, noted)


def _is_drawn_anew(account: AccountRecord, noted: Mapping[str, str]) -> bool:
    """Tell whether the first password was generated anew; False if no id is recorded, so the present one stays."""
    return bool(account.password_id) and noted.get(account.id, account.password_id) != account.password_id
