"""The directory as agents see it: look-ups in the newest `directory.db`.

A look-up is one indexed read in this process. The reader reopens the file when it has been replaced, and checks
for that at most once a second.
"""

import json
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from postroom.contracts.directory import Account, Domain, Entry, Kind, Rights
from postroom.contracts.errors import Unavailable
from postroom.directory.database import connect

CHECK_EVERY = 1.0  # seconds between two checks for a new file
CACHED = 10_000  # entries per generation; only for existing addresses, so strangers cannot fill it

T = TypeVar("T")
_Identity = tuple[int, int, int]
_ACCOUNT = """SELECT id, address, name, enabled, quota_bytes, messages_per_day, recipients_per_day
FROM accounts WHERE id=?"""
_NOBODY = "?"  # no account has this id
_ENTRY = "SELECT kind, account, members, owner FROM addresses WHERE address=?"


class _Generation:
    """One open file, with a cache of what has been read from it."""

    def __init__(self, path: Path, identity: _Identity) -> None:
        self.identity = identity
        self.db = connect(path)
        self.domains = {row[0]: _domain(row) for row in self.db.execute("SELECT * FROM domains")}
        self.entries: dict[str, Entry] = {}
        self.accounts: dict[str, Account] = {}
        self.rights: dict[str, Rights] = {}


class SqliteDirectory:
    """The Directory contract on a `directory.db`. It opens the file at the first look-up."""

    def __init__(self, path: str | Path, steady: Callable[[], float] = time.monotonic) -> None:
        self._path = Path(path)
        self._steady = steady
        self._generation: _Generation | None = None
        self._looked = float("-inf")

    async def domain(self, name: str) -> Domain | None:
        """Return the domain of that name if it is ours. Raises Unavailable."""
        return self._current().domains.get(name)

    async def domains(self) -> tuple[Domain, ...]:
        """Return all our domains. Raises Unavailable."""
        return tuple(self._current().domains.values())

    async def entry(self, address: str) -> Entry | None:
        """Return the entry of exactly this address. Raises Unavailable."""
        return self._entry(self._current(), address)

    async def account(self, account_id: str) -> Account | None:
        """Return the account with that id. Raises Unavailable."""
        return self._account(self._current(), account_id)

    async def login(self, name: str) -> Account | None:
        """Return the account with this login name: any of its addresses, also in an alias domain.

        It makes the same two queries whether the name exists or not, and caches neither result, so that its
        duration does not reveal which names exist. Raises Unavailable.
        """
        generation = self._current()
        name = name.lower()
        local, _, domain = name.rpartition("@")
        known = generation.domains.get(domain)
        if known is not None and known.alias_of:
            name = f"{local}@{known.alias_of}"
        entries = _all(generation.db, _ENTRY, name)
        accounts = _all(generation.db, _ACCOUNT, (entries[0][1] if entries else None) or _NOBODY)
        return _person(accounts[0]) if accounts else None

    async def rights(self, account_id: str) -> Rights:
        """Return the addresses that the account may send as. Raises Unavailable."""
        generation = self._current()
        found = generation.rights.get(account_id)
        if found is None:
            rows = _all(generation.db, "SELECT address FROM senders WHERE account=?", account_id)
            found = Rights(senders=frozenset(row[0] for row in rows))
            _keep(generation.rights, account_id, found, bool(rows))
        return found

    def close(self) -> None:
        """Close the file; the next look-up opens it again."""
        if self._generation is not None:
            self._generation.db.close()
        self._generation = None
        self._looked = float("-inf")

    def _current(self) -> _Generation:
        now = self._steady()
        if self._generation is None or now - self._looked >= CHECK_EVERY:
            self._generation = self._newest(self._generation)
            self._looked = now
        return self._generation

    def _newest(self, present: _Generation | None) -> _Generation:
        while True:
            identity = self._identity()
            if present is not None and present.identity == identity:
                return present
            if present is not None:
                present.db.close()
            self._generation = None
            try:
                present = _Generation(self._path, identity)
            except sqlite3.Error as error:
                raise Unavailable(f"directory {self._path}: {error}") from error
            # If the file was replaced between the check and the opening, the next pass sees another identity.

    def _identity(self) -> _Identity:
        try:
            status = os.stat(self._path)
        except OSError as error:
            raise Unavailable(f"directory {self._path}: {error.strerror}") from error
        return status.st_dev, status.st_ino, status.st_mtime_ns

    def _entry(self, generation: _Generation, address: str) -> Entry | None:
        found = generation.entries.get(address)
        if found is None:
            rows = _all(generation.db, _ENTRY, address)
            if not rows:
                return None
            kind, account, members, owner = rows[0]
            person = self._account(generation, account) if account is not None else None
            found = Entry(address, Kind(kind), person, tuple(json.loads(members)), owner)
            _keep(generation.entries, address, found, True)
        return found

    def _account(self, generation: _Generation, account_id: str) -> Account | None:
        found = generation.accounts.get(account_id)
        if found is None:
            rows = _all(generation.db, _ACCOUNT, account_id)
            if not rows:
                return None
            found = _person(rows[0])
            _keep(generation.accounts, account_id, found, True)
        return found


def _all(db: sqlite3.Connection, statement: str, key: str) -> list[Any]:
    try:
        return db.execute(statement, (key,)).fetchall()
    except (sqlite3.Error, UnicodeEncodeError) as error:
        if isinstance(error, UnicodeEncodeError):
            return []  # a lone surrogate is nobody's name
        raise Unavailable(f"directory: {error}") from error


def _keep(cache: dict[str, T], key: str, value: T, known: bool) -> None:
    if known:
        if len(cache) >= CACHED:
            cache.clear()
        cache[key] = value


def _person(row: tuple[Any, ...]) -> Account:
    who, address, name, enabled, *numbers = row
    return Account(who, address, name, bool(enabled), *numbers)


def _domain(row: tuple[Any, ...]) -> Domain:
    name, home, alias_of, catch_all, separator, selectors = row
    return Domain(name, home, alias_of, tuple(json.loads(catch_all)), separator, tuple(json.loads(selectors)))
