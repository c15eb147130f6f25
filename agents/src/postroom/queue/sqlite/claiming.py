"""Claiming: rows of a spool that are due are leased to one relay and become claims.

A lease is the `due` of a row, moved to the end of the lease, with the relay's name as its owner.
Room rule: nothing here begins or ends a transaction; the reader does.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from postroom.contracts.errors import MessageGone
from postroom.contracts.outbox import Claim, ClaimedMessage, ClaimedRecipient, Wanted
from postroom.contracts.queue import Hop, Origin
from postroom.queue.sqlite.content import StoredContent

AT_ONCE: Final = 16_384  # octets up to which a body comes with its claim
# The same for mailboxes of this host: few such claims are held, for a short time.
AT_ONCE_HERE: Final = 65_536
RETRY_NOW: Final = 0.0  # the `due` of a row that an operator wants tried now
MOST_RECIPIENTS: Final = 100  # per transaction: what every server must take (RFC 5321 section 4.5.3.1.8)

_ROWS: Final = (
    "SELECT message, number, hop, destination, sender, address, account, original, orcpt, notify, attempts,"
    " warned, reply, status, host, due FROM recipient WHERE due <= ?"
    " AND (owner IS NULL OR owner <> ? AND NOT lives(owner))"
)
_DUE: Final = _ROWS + " {others} ORDER BY due LIMIT ?"
_REST: Final = _ROWS + " AND message = ? AND destination = ?"
_MESSAGE: Final = (
    "SELECT seq, id, arrived, sender, origin, size, message_id, signing_domain, vouched, authentication, arc,"
    " body_type, smtputf8, envid, ret, client, account, body_file, body_start, length(body), head,"
    " CASE WHEN length(body) <= ? THEN body END FROM message WHERE seq = ?"
)
_LEASE: Final = "UPDATE recipient SET due = ?, owner = ? WHERE message = ? AND number = ?"


class Handle(NamedTuple):
    """What a claim's handle is for this engine: the path of the spool, and the message's row."""

    spool: str
    seq: int


class Claiming:
    """Claims from one spool for the relay named `owner`."""

    def __init__(self, database: sqlite3.Connection, path: str, owner: str) -> None:
        self._database = database
        self._path = path
        self._folder = os.path.dirname(path)
        self._owner = owner

    def claim(self, wanted: Wanted, now: float, lease_until: float) -> list[Claim]:
        """Lease what is due and wanted. Raises sqlite3.Error."""
        marks = ",".join("?" * len(wanted.full))
        query = _DUE.format(others=f"AND destination NOT IN ({marks})" if marks else "")
        rows = self._database.execute(query, (now, self._owner, *wanted.full, wanted.recipients)).fetchall()
        if len(rows) >= wanted.recipients:
            rows += self._cut_off(rows, now)
        rows.sort(key=_transaction)
        self._database.executemany(_LEASE, [(lease_until, self._owner, row[0], row[1]) for row in rows])
        claims: list[Claim] = []
        for seq, group in groupby(rows, key=itemgetter(0)):
            together = list(group)
            here = all(row[2] == Hop.MAILBOX.value for row in together)
            found = self._database.execute(_MESSAGE, (AT_ONCE_HERE if here else AT_ONCE, seq)).fetchone()
            handle = Handle(self._path, seq)
            claims += _claims(handle, _message(found), self._content(found), together, now)
        return claims

    def _cut_off(self, rows: list[Any], now: float) -> list[Any]:
        """Return the rows that the limit has cut off from the last message and destination.

        Recipients that travel together do so again at the next attempt: only then can a server see that it has
        the message already (RFC 5321 section 6.1).
        """
        message, destination = rows[-1][0], rows[-1][3]
        claimed = {row[1] for row in rows if row[0] == message}
        whole = self._database.execute(_REST, (now, self._owner, message, destination))
        return [row for row in whole if row[1] not in claimed]

    def _content(self, found: Sequence[Any]) -> StoredContent | None:
        size, (name, start, length, head, body) = found[5], found[17:22]
        if name:
            return StoredContent(head, size, b"", f"{self._folder}/{name}", start)
        return StoredContent(head, size, body or b"") if body is not None or not length else None

    def load(self, seq: int) -> StoredContent:
        """Return the content of a claimed message. Raises MessageGone, sqlite3.Error."""
        found = self._database.execute(_MESSAGE, (1 << 62, seq)).fetchone()
        if found is None:
            raise MessageGone("the message was deleted from the queue")
        content = self._content(found)
        assert content is not None
        return content


def _message(found: Sequence[Any]) -> ClaimedMessage:
    return ClaimedMessage(
        found[1], found[2], found[3], Origin(found[4]), found[5], found[6], found[7], bool(found[8]),
        found[9], found[10], found[11], bool(found[12]), found[13], found[14], found[15], found[16],
    )  # fmt: skip


def _transaction(row: Sequence[Any]) -> tuple[Any, ...]:
    """Return a sort key that puts the recipients of one transaction side by side."""
    return (row[0], row[2], row[3], row[4] is not None, row[4] or "", row[1])


def _claims(
    handle: Handle, message: ClaimedMessage, content: StoredContent | None, rows: list[Any], now: float
) -> Iterator[Claim]:
    for (hop, destination, sender), group in groupby(rows, key=itemgetter(2, 3, 4)):
        together = list(group)
        final = message.sender if sender is None else sender
        for start in range(0, len(together), MOST_RECIPIENTS):
            part = together[start : start + MOST_RECIPIENTS]
            forced = any(row[15] == RETRY_NOW for row in part)
            recipients = tuple(map(_recipient, part))
            yield Claim(handle, message, Hop(hop), destination, final, recipients, content, now, forced)


def _recipient(row: Sequence[Any]) -> ClaimedRecipient:
    return ClaimedRecipient(
        row[1], row[5], row[6], row[7], row[8], row[9], row[10], bool(row[11]), row[12], row[13], row[14]
    )
