"""Opens the queue for an operator's command."""

import time

from postroom.contracts.queueadmin import QueueAdmin
from postroom.queue.sqlite.admin import SqliteQueueAdmin


def open_admin(root: str, run_directory: str = "") -> QueueAdmin:
    """Return the view of all spools below the folder `root`; relays in `run_directory` are notified of changes."""
    return SqliteQueueAdmin(root, run_directory, time.time, time.monotonic)
