"""A selected mailbox as one session knows it: message numbers, and changes that the client does not know yet.

Room rule: numbers change only when EXPUNGE responses are written, and the caller decides when a command allows that
(RFC 3501 section 7.4.1).
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Final

from postroom.contracts.account import Changes, Row, Selected
from postroom.mail.flags import SYSTEM_FLAGS
from postroom.wire.imap import responses
from postroom.wire.imap.sequence import SequenceSet, select

SLICE: Final = 500  # responses made in one step
FEW: Final = 100  # UIDs that are looked up one by one

_uid = attrgetter("uid")


class View:
    """Message numbers and flags of one selected mailbox."""

    __slots__ = (
        "announced",
        "announced",
        "gone",
        "id",
        "keywords",
        "modseq",
        "name",
        "recent",
        "reported",
        "uids",
        "writable",
    )

    def __init__(self, selected: Selected, writable: bool) -> None:
        self.id = selected.mailbox.id
        self.name = selected.mailbox.name
        self.writable = writable
        self.uids: array[int] = array("I", selected.uids)
        self.recent = set(selected.recent)
        self.modseq = selected.status.highestmodseq
        self.keywords = set(selected.keywords)
        # By UID: modseqs above `modseq` that the client knows from its own commands.
        self.reported: dict[int, int] = {}
        self.gone: set[int] = set()  # expunged, but EXPUNGE is not written yet
        self.announced = len(self.uids)

    def chosen(self, wanted: SequenceSet, *, uid: bool) -> "array[int]":
        """Return the UIDs of a set, ascending. Raises NoSuchMessage for a number above the last."""
        spans = wanted.spans(self.uids) if uid else wanted.numbers(len(self.uids))
        return select(self.uids, spans)

    def number(self, uid: int) -> int:
        """Return the message number of a UID, 0 when it is not in the view."""
        index = bisect_left(self.uids, uid)
        return index + 1 if index < len(self.uids) and self.uids[index] == uid else 0

    def flags(self, row: Row) -> bytes:
        """Return the flags of a row for this session."""
        if row.uid in self.recent:
            return responses.flags((*row.flags, "\\Recent"))
        return responses.flags(row.flags)

    def know(self, row: Row) -> None:
        """Note that the client knows the flags of this row."""
        if row.modseq > self.modseq:
            self.reported[row.uid] = row.modseq

    def know_unsaid(self, rows: Iterable[Row], before: Iterable[int]) -> None:
        """Note that the client has changed these rows without a response; `before` are their former mod-sequences.

        It knows a row only if it knew it before. A row that another client changed in between is written with the
        next changes.
        """
        for row, modseq in zip(rows, before, strict=True):
            if modseq <= max(self.modseq, self.reported.get(row.uid, 0)):
                self.know(row)

    def apply(self, changes: Changes, *, expunges: bool, modseqs: bool, uids: bool) -> Iterator[bytes]:
        """Apply changes, and yield the responses for them in slices. With `uids` FETCH responses carry UID.

        The caller must take all slices before it uses the view again.
        """
        self._lose(changes)
        if expunges:
            yield from self._expunged()
        self.recent |= changes.recent
        new_keywords = self.learn_keywords(changes.rows, changes.keywords)
        last = self.uids[-1] if self.uids else 0
        came = bisect_right(changes.rows, last, key=_uid)
        self.uids.extend(map(_uid, changes.rows[came:]))
        if len(self.uids) > self.announced:
            yield b"* %d EXISTS\r\n* %d RECENT\r\n" % (len(self.uids), len(self.recent))
        self.announced = len(self.uids)
        yield new_keywords
        for start in range(0, came, SLICE):
            rows = changes.rows[start : min(start + SLICE, came)]
            yield b"".join([self._fetch(row, modseqs, uids) for row in rows if self._is_news(row)])
        self.modseq = max(self.modseq, changes.highestmodseq)
        self.reported = {uid: modseq for uid, modseq in self.reported.items() if modseq > self.modseq}

    def _is_news(self, row: Row) -> bool:
        return row.modseq > self.reported.get(row.uid, 0)

    def permanent_flags(self) -> bytes:
        """Return the flags that STORE can change for good."""
        if not self.writable:
            return b"()"
        return responses.flags((*SYSTEM_FLAGS, *self.keywords))[:-1] + b" \\*)"

    def _lose(self, changes: Changes) -> None:
        if changes.present is not None:  # the store knows only which messages are left
            self.gone.update(set(self.uids).difference(changes.present))
        if len(changes.vanished) > FEW:
            self.gone.update(set(changes.vanished).intersection(self.uids))
        else:
            self.gone.update(uid for uid in changes.vanished if self.number(uid))

    def _expunged(self) -> Iterator[bytes]:
        if not self.gone:
            return
        if len(self.gone) > FEW:
            numbers = [number for number, uid in enumerate(self.uids, 1) if uid in self.gone]
        else:
            numbers = sorted(map(self.number, self.gone))
        self.uids = array("I", (uid for uid in self.uids if uid not in self.gone))
        self.recent -= self.gone
        for uid in self.gone:
            self.reported.pop(uid, None)
        self.gone = set()
        self.announced = len(self.uids)
        numbers.reverse()  # so that no number changes before its EXPUNGE is written
        for start in range(0, len(numbers), SLICE):
            yield b"".join([b"* %d EXPUNGE\r\n" % number for number in numbers[start : start + SLICE]])

    def learn_keywords(self, rows: Iterable[Row], known: Iterable[str]) -> bytes:
        """Return FLAGS and PERMANENTFLAGS when the rows have new keywords; `known` are all keywords of the mailbox.

        This drops keywords that no message has any more.
        """
        found = set[str]().union(*{row.flags for row in rows}) - self.keywords
        new = {flag for flag in found if not flag.startswith("\\")}
        if not new:
            return b""
        self.keywords = new.union(known)
        return self.flags_line() + responses.status(
            b"*", b"OK", b"Flags that stay", b"PERMANENTFLAGS " + self.permanent_flags()
        )

    def flags_line(self) -> bytes:
        """Return the FLAGS response."""
        return responses.untagged(b"FLAGS", responses.flags((*SYSTEM_FLAGS, *self.keywords)))

    def _fetch(self, row: Row, modseqs: bool, uids: bool) -> bytes:
        number = self.number(row.uid)
        if not number or row.uid in self.gone:
            return b""
        uid = b"UID %d " % row.uid if uids else b""
        modseq = b" MODSEQ (%d)" % row.modseq if modseqs else b""
        return b"* %d FETCH (%bFLAGS %b%b)\r\n" % (number, uid, self.flags(row), modseq)
