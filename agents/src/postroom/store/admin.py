"""Opens the mailboxes for an operator's command."""

import time

from postroom.contracts.storeadmin import StoreAdmin
from postroom.store.sqlite.admin import SqliteStoreAdmin


def open_admin(directory: str) -> StoreAdmin:
    """Return the view of all accounts below a folder."""
    return SqliteStoreAdmin(directory, time.time)
