"""All that follows when a document is put in force: directory, first passwords, deletions."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from postroom.auth.secrets import SecretStore
from postroom.cli.passwords import make_all
from postroom.contracts.errors import Unavailable
from postroom.directory import apply as applying
from postroom.directory.plan import Action, Change, Plan
from postroom.directory.schema import Document, State
from postroom.store.names import account_folder


@dataclass(frozen=True)
class Places:
    """Paths, as the options name them."""

    directory: str
    secrets: str
    accounts_directory: str
    auth_config: str


class Applying:
    """One run. Its order leaves nothing undone for ever: whatever a run did not reach, the next one does."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._secrets = SecretStore(places.secrets)

    def run(self, wanted: Document, check: bool) -> tuple[Change, ...]:
        """The changes, made or (`check`) only found. Raises Unavailable."""
        try:
            plan = applying.compare(self._places.directory, wanted)
            first = self._first_passwords(wanted)
            leftovers = self._leftovers(plan)
            if not check:
                for account, verifier in make_all(self._places.auth_config, first).items():
                    self._secrets.set_first(account, verifier, time.time())
                plan = applying.apply(self._places.directory, wanted)
                self._delete(plan)
            said = {change.key for change in plan.changes if change.action is Action.DELETED}
            rest = [
                Change("account", account, Action.DELETED) for account in leftovers if account not in said
            ]
            logins = [Change("account", account, Action.FIRST_LOGIN) for account in first]
            return (*plan.changes, *rest, *logins)
        except OSError as error:
            raise Unavailable(f"{error.filename}: {error.strerror}") from error
        finally:
            self._secrets.close()

    def _known(self) -> frozenset[str]:
        """Who has a verifier. Asking makes no file."""
        return self._secrets.accounts() if os.path.lexists(self._places.secrets) else frozenset()

    def _first_passwords(self, wanted: Document) -> dict[str, str]:
        given = {
            account.id: account.password
            for account in wanted.accounts
            if account.password and account.state is not State.DELETED
        }
        known = self._known() if given else frozenset()
        return {account: password for account, password in given.items() if account not in known}

    def _leftovers(self, plan: Plan) -> list[str]:
        """Deleted accounts of which something is still there: from now, or from a run that was ended half-way."""
        deleted = [account.id for account in plan.document.accounts if account.state is State.DELETED]
        known = self._known() if deleted else frozenset()
        return [account for account in deleted if account in known or any(self._folders(account))]

    def _delete(self, plan: Plan) -> None:
        for account in self._leftovers(plan):
            if account in self._known():
                self._secrets.remove(account)
            for folder in self._folders(account):
                # renamed first: no agent finds half of a mailbox, and a half-removed one is found by the next run
                doomed = folder.with_name(f".deleted-{account}")
                if folder != doomed:
                    if doomed.exists():
                        shutil.rmtree(doomed)
                    folder.rename(doomed)
                shutil.rmtree(doomed)

    def _folders(self, account: str) -> list[Path]:
        base = Path(self._places.accounts_directory)
        names = (f".deleted-{account}", account_folder(account))
        return [base / name for name in names if (base / name).is_dir() and not (base / name).is_symlink()]
