"""Put a document in force: write the directory, set first passwords, delete accounts."""

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from postroom.auth.secrets import SecretStore
from postroom.cli.firstpasswords import Logins, decide, open_questions
from postroom.cli.passwords import make_all, match_all
from postroom.contracts.errors import Unavailable
from postroom.directory import apply as applying
from postroom.directory.database import read_records
from postroom.directory.plan import Change, ChangeKind, Plan
from postroom.directory.schema import AccountState, Document
from postroom.store.names import account_folder


@dataclass(frozen=True)
class Paths:
    """The paths that the options name."""

    directory: str
    secrets: str
    accounts_directory: str
    auth_config: str


class Applying:
    """One run. If it is interrupted at any point, the next run completes it."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._secrets = SecretStore(paths.secrets)

    def run(self, wanted: Document, check: bool) -> tuple[Change, ...]:
        """Apply the document and return the changes; with `check`, only return them. Raises Unavailable."""
        try:
            states = self._states()
            plan = applying.compare(self._paths.directory, wanted)
            cut_off = self._leftovers(_deleted(states))
            logins = self._logins(wanted, states)
            leftovers = sorted({*cut_off, *self._leftovers(_deleted_of(plan))})
            if not check:
                self._delete(cut_off)  # first, so that a person who returns with the same id starts empty
                self._set(logins)
                plan = applying.apply(self._paths.directory, wanted)
                self._delete(self._leftovers(_deleted_of(plan)))
            said = {change.key for change in plan.changes if change.action is ChangeKind.DELETED}
            rest = [
                Change("account", account, ChangeKind.DELETED) for account in leftovers if account not in said
            ]
            return (*plan.changes, *rest, *logins.changes)
        except OSError as error:
            raise Unavailable(f"{error.filename}: {error.strerror}") from error
        finally:
            self._secrets.close()

    def _known(self) -> frozenset[str]:
        """Return the accounts that have a verifier, without creating the file."""
        return self._secrets.accounts() if os.path.lexists(self._paths.secrets) else frozenset()

    def _states(self) -> dict[str, AccountState]:
        before = read_records(self._paths.directory)
        return {account.id: account.state for account in before.accounts} if before else {}

    def _logins(self, wanted: Document, states: Mapping[str, AccountState]) -> Logins:
        """Decide which passwords are valid. Compare only the passwords in question, since each takes 0.1 s."""
        known = self._known().difference(_deleted(states))
        noted = self._secrets.first_ids() if known else {}
        asked = open_questions(wanted, states, known, noted)
        pairs = {
            account: (password, self._secrets.verifier(account) or "") for account, password in asked.items()
        }
        same = match_all(self._paths.auth_config, pairs)
        return decide(wanted, states, known, noted, same)

    def _set(self, logins: Logins) -> None:
        """Store the verifiers in an order that never leaves an account with an unknown password."""
        verifiers = make_all(self._paths.auth_config, {**logins.first, **logins.renewed})
        for account in logins.renewed:
            self._secrets.remove(account)
        for account, verifier in verifiers.items():
            self._secrets.set_first(account, verifier, time.time())
        for account, password_id in logins.notes.items():
            self._secrets.note_first(account, password_id)

    def _leftovers(self, deleted: list[str]) -> list[str]:
        """Return the deleted accounts that still have data, from this run or from an interrupted one."""
        known = self._known() if deleted else frozenset()
        return [account for account in deleted if account in known or any(self._folders(account))]

    def _delete(self, accounts: list[str]) -> None:
        for account in accounts:
            if account in self._known():
                self._secrets.remove(account)
            for folder in self._folders(account):
                # Rename it first: agents never see a part of a mailbox, and the next run finds a half-removed one.
                doomed = folder.with_name(f".deleted-{account}")
                if folder != doomed:
                    if doomed.exists():
                        shutil.rmtree(doomed)
                    folder.rename(doomed)
                shutil.rmtree(doomed)

    def _folders(self, account: str) -> list[Path]:
        base = Path(self._paths.accounts_directory)
        names = (f".deleted-{account}", account_folder(account))
        return [base / name for name in names if (base / name).is_dir() and not (base / name).is_symlink()]


def _deleted(states: Mapping[str, AccountState]) -> list[str]:
    return [account for account, state in states.items() if state is AccountState.DELETED]


def _deleted_of(plan: Plan) -> list[str]:
    return _deleted({account.id: account.state for account in plan.document.accounts})
