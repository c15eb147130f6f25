"""Opens the queue's reading side for a relay."""

from collections.abc import Sequence

from postroom.contracts.clock import Clock
from postroom.contracts.outbox import Outbox
from postroom.queue.sqlite.outbox import SpoolLayout, SqliteOutbox
from postroom.runtime.log import Log


def open_outbox(  # noqa: PLR0913
    directories: Sequence[str],
    own_directory: str,
    run_directory: str,
    name: str,
    longest_pause: float,
    *,
    clock: Clock,
    log: Log,
) -> Outbox:
    """Return the outbox over all spools in `directories`; `watch` opens it.

    `own_directory` is where the relay's own spool and signs of life are, `name` tells this process from other
    workers. No recipient waits longer than `longest_pause` seconds.
    """
    layout = SpoolLayout(directories, own_directory, run_directory, name, longest_pause)
    return SqliteOutbox(layout, clock, log)
