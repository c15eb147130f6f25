"""The spools of the other workers of an agent: a message that is sent again may reach any worker."""

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from postroom.queue.sqlite import schema

_LOOK_AGAIN: Final = 5.0  # seconds after which new spools are noticed
_KNOWN: Final = "SELECT 1 FROM message WHERE id = ?1 UNION ALL SELECT 1 FROM finished WHERE id = ?1"


class Siblings:
    """Reads the spools beside our own. For one thread at a time; `steady` is a clock in seconds."""

    def __init__(self, path: str, steady: Callable[[], float]) -> None:
        self._own = path
        self._steady = steady
        self._looked = float("-inf")
        self._spools: dict[str, sqlite3.Connection] = {}

    def having(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those of the ids that another spool has or had. A spool that cannot be read counts as having none."""
        if not ids:
            return frozenset()
        self._look()
        found: set[str] = set()
        for path, database in list(self._spools.items()):
            try:
                found.update(one for one in ids if database.execute(_KNOWN, (one,)).fetchone() is not None)
            except sqlite3.Error:
                self._spools.pop(path).close()
        return frozenset(found)

    def _look(self) -> None:
        now = self._steady()
        if now - self._looked < _LOOK_AGAIN:
            return
        self._looked = now
        folder = os.path.dirname(self._own)
        with suppress(OSError):
            paths = {f"{folder}/{name}" for name in os.listdir(folder) if name.endswith(".db")} - {self._own}
            for path in self._spools.keys() - paths:
                self._spools.pop(path).close()
            for path in paths - self._spools.keys():
                with suppress(sqlite3.Error):
                    self._spools[path] = schema.connect(path, durable=False)

    def close(self) -> None:
        """Close the files."""
        for database in self._spools.values():
            database.close()
        self._spools.clear()
