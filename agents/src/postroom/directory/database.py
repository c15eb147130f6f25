"""The format of `directory.db`: a SQLite file that is never changed, only replaced as a whole.

`records` holds the document's objects for the next comparison; agents look things up in the other tables.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from postroom.contracts.directory import Kind
from postroom.contracts.errors import Unavailable
from postroom.directory.schema import (
    KINDS,
    AccountRecord,
    AccountState,
    AliasRecord,
    Document,
    DomainRecord,
    ListRecord,
    Record,
    TeamRecord,
)
from postroom.mail.address import AddressError, parse_path

USER_VERSION = 1
FILE_MODE = 0o640

_SCHEMA = """
CREATE TABLE records (section TEXT, key TEXT, record TEXT NOT NULL, PRIMARY KEY (section, key)) WITHOUT ROWID;
CREATE TABLE domains (name TEXT PRIMARY KEY, home TEXT NOT NULL, alias_of TEXT, catch_all TEXT NOT NULL,
  separator TEXT NOT NULL, selectors TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE accounts (id TEXT PRIMARY KEY, address TEXT NOT NULL, name TEXT NOT NULL,
  enabled INTEGER NOT NULL, quota_bytes INTEGER NOT NULL, messages_per_day INTEGER NOT NULL,
  recipients_per_day INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE addresses (address TEXT PRIMARY KEY, kind TEXT NOT NULL, account TEXT, members TEXT NOT NULL,
  owner TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE senders (account TEXT, address TEXT, PRIMARY KEY (account, address)) WITHOUT ROWID;
"""


def connect(path: str | Path) -> sqlite3.Connection:
    """Open the file read-only and without locks, since it never changes.

    Raises Unavailable if the file is missing, unreadable, or has the format of another release.
    """
    try:
        db = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro&immutable=1",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        (found,) = db.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise Unavailable(f"directory {path}: {error}") from error
    if found != USER_VERSION:
        db.close()
        raise Unavailable(
            f"directory {path} has form {found}, this release reads {USER_VERSION}: apply it again"
        )
    return db


def read_records(path: str | Path) -> Document | None:
    """Return the document applied last, or None if there is no file yet. Raises Unavailable."""
    if not os.path.lexists(path):
        return None
    db = connect(path)
    try:
        found: dict[str, list[Any]] = {kind.section: [] for kind in KINDS}
        for section, text in db.execute("SELECT section, record FROM records ORDER BY section, key"):
            found[section].append(json.loads(text))
        return msgspec.convert({"version": USER_VERSION, **found}, Document)
    except (sqlite3.Error, ValueError, KeyError, msgspec.ValidationError) as error:
        raise Unavailable(f"directory {path}: {error}") from error
    finally:
        db.close()


def write_new(path: Path, document: Document, group: int | None) -> None:
    """Write the document as a database to `path`, which must not exist; it is on disk when this returns.

    Raises OSError and sqlite3.Error.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        if group is not None:
            os.fchown(descriptor, -1, group)
        os.fchmod(descriptor, FILE_MODE)
        db = sqlite3.connect(path, isolation_level=None)
        try:
            _fill(db, document)
        finally:
            db.close()
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fill(db: sqlite3.Connection, document: Document) -> None:
    db.execute("PRAGMA journal_mode = OFF")  # nobody else has the file open yet
    db.execute("PRAGMA synchronous = OFF")  # the caller calls fsync
    db.executescript(f"BEGIN; {_SCHEMA}")
    for kind in KINDS:
        records: Iterable[Record] = getattr(document, kind.section)
        rows = [(kind.section, record.key, msgspec.json.encode(record).decode()) for record in records]
        db.executemany("INSERT INTO records VALUES (?, ?, ?)", rows)
    db.executemany("INSERT INTO domains VALUES (?, ?, ?, ?, ?, ?)", map(_domain_row, document.domains))
    living = [account for account in document.accounts if account.state is not AccountState.DELETED]
    db.executemany("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?)", map(_account_row, living))
    db.executemany("INSERT INTO addresses VALUES (?, ?, ?, ?, ?)", address_rows(document).values())
    db.executemany("INSERT INTO senders VALUES (?, ?)", sorted(_sender_rows(document)))
    db.execute(f"PRAGMA user_version = {USER_VERSION}")
    db.execute("COMMIT")


def _domain_row(domain: DomainRecord) -> tuple[object, ...]:
    lists = json.dumps(domain.catch_all), domain.separator, json.dumps(domain.selectors)
    return domain.name, domain.home, domain.alias_of, *lists


def _account_row(account: AccountRecord) -> tuple[object, ...]:
    limits = account.limits
    enabled = account.state is AccountState.ACTIVE
    who = account.id, account.address, account.name, enabled
    return *who, account.quota_bytes, limits.messages_per_day, limits.recipients_per_day


def address_rows(document: Document) -> Mapping[str, tuple[object, ...]]:
    """Return the rows of `addresses` by address. A disabled person's address goes to its new owner, if it has one."""
    domains = {domain.name for domain in document.domains}
    rows: dict[str, tuple[object, ...]] = {}
    shared: tuple[tuple[Kind, Iterable[AliasRecord | ListRecord | TeamRecord]], ...] = (
        (Kind.ALIAS, document.aliases), (Kind.LIST, document.lists), (Kind.TEAM, document.teams),
    )  # fmt: skip
    for kind, records in shared:
        for record in records:
            owner = record.owner if isinstance(record, ListRecord) else ""
            rows[record.address] = (record.address, kind.value, None, json.dumps(record.members), owner)
    for account in sorted(document.accounts, key=lambda account: account.state is not AccountState.ACTIVE):
        if account.state is AccountState.DELETED:
            continue
        for address in (account.address, *account.addresses):
            if address.rpartition("@")[2] in domains:
                rows.setdefault(address, (address, Kind.ACCOUNT.value, account.id, "[]", ""))
    return rows


def _sender_rows(document: Document) -> set[tuple[str, str]]:
    """Return all (account, address) pairs that may send, with the addresses in alias domains."""
    owner_of = {address: row[2] for address, row in address_rows(document).items() if row[2] is not None}
    granted = {(str(account), address) for address, account in owner_of.items()}
    for account in document.accounts:
        if account.state is not AccountState.DELETED:
            granted |= {(account.id, address) for address in account.rights.send_as}
    target = {domain.name: domain.alias_of for domain in document.domains if domain.alias_of}
    for team in document.teams:
        if team.rights.send_as:
            people = (owner_of.get(canonical(member, target)) for member in team.members)
            granted |= {(str(account), team.address) for account in people if account is not None}
    for alias, real in target.items():
        granted |= {
            (account, f"{address.removesuffix(real)}{alias}")
            for account, address in granted
            if address.endswith(f"@{real}")
        }
    return granted


def canonical(address: str, alias_domains: Mapping[str, str]) -> str:
    """Return the address in lower case, with an alias domain replaced by the real one."""
    try:
        parsed = parse_path(address)
    except AddressError:
        return address
    key = parsed.key
    real = alias_domains.get(parsed.domain)
    return f"{key.removesuffix(parsed.domain)}{real}" if real else key
