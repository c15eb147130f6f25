"""A selected mailbox as one session knows it: message numbers, and what the client has not been told yet.

Room rule: RFC 3501 section 7.4.1. Numbers change only when EXPUNGE responses go out, and those go out only when
the caller says that the command at hand allows it.
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

SLICE: Final = 500  # responses that are made in one go
FEW: Final = 100  # UIDs that are looked up one by one

_uid = attrgetter("uid")


class View:
    """Message numbers and flags of one selected mailbox."""

    __slots__ = (
        "gone",
        "id",
        "keywords",
        "modseq",
        "name",
        "recent",
        "reported",
        "told",
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
        self.reported: dict[
            int, int
        ] = {}  # modseqs above `modseq` that the client knows from its own commands
        self.gone: set[int] = set()  # expunged, and not told yet
        self.told = len(self.uids)

    def chosen(self, wanted: SequenceSet, *, uid: bool) -> "array[int]":
        """The UIDs a set means, ascending. Raises NoSuchMessage for a number above the last."""
        spans = wanted.spans(self.uids) if uid else wanted.numbers(len(self.uids))
        return select(self.uids, spans)

    def number(self, uid: int) -> int:
        """The message number of a UID, 0 when it is not in the view."""
        place = bisect_left(self.uids, uid)
        return place + 1 if place < len(self.uids) and self.uids[place] == uid else 0

    def flags(self, row: Row) -> bytes:
        """FLAGS of a row for this session."""
        if row.uid in self.recent:
            return responses.flags((*row.flags, "\\Recent"))
        return responses.flags(row.flags)

    def know(self, row: Row) -> None:
        """The client has been told this row's flags."""
        if row.modseq > self.modseq:
            self.reported[row.uid] = row.modseq

    def know_unsaid(self, rows: Iterable[Row], before: Iterable[int]) -> None:
        """Note that the client has changed these rows, whose mod-sequences were `before`, and is not told their flags.

        It knows a row only if it knew it before. One that somebody else has changed since is told with the next news.
        """
        for row, modseq in zip(rows, before, strict=True):
            if modseq <= max(self.modseq, self.reported.get(row.uid, 0)):
                self.know(row)

    def apply(self, changes: Changes, *, expunges: bool, modseqs: bool, uids: bool) -> Iterator[bytes]:
        """Take changes over; the responses that tell them, in slices. With `uids` FETCH responses carry UID.

        All of them have to be taken, and nothing else done with the view meanwhile.
        """
        self._lose(changes)
        if expunges:
            yield from self._expunged()
        self.recent |= changes.recent
        news = self.learn_keywords(changes.rows, changes.keywords)
        last = self.uids[-1] if self.uids else 0
        came = bisect_right(changes.rows, last, key=_uid)
        self.uids.extend(map(_uid, changes.rows[came:]))
        if len(self.uids) > self.told:
            yield b"* %d EXISTS\r\n* %d RECENT\r\n" % (len(self.uids), len(self.recent))
        self.told = len(self.uids)
        yield news
        for start in range(0, came, SLICE):
            rows = changes.rows[start : min(start + SLICE, came)]
            yield b"".join([self._fetch(row, modseqs, uids) for row in rows if self._is_news(row)])
        self.modseq = max(self.modseq, changes.highestmodseq)
        self.reported = {uid: modseq for uid, modseq in self.reported.items() if modseq > self.modseq}

    def _is_news(self, row: Row) -> bool:
        return row.modseq > self.reported.get(row.uid, 0)

    def permanent_flags(self) -> bytes:
        """What STORE can change for good."""
        if not self.writable:
            return b"()"
        return responses.flags((*SYSTEM_FLAGS, *self.keywords))[:-1] + b" \\*)"

    def _lose(self, changes: Changes) -> None:
        if changes.present is not None:  # a large part went, or it was long ago
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
        self.told = len(self.uids)
        numbers.reverse()  # so that no number moves before it is told
        for start in range(0, len(numbers), SLICE):
            yield b"".join([b"* %d EXPUNGE\r\n" % number for number in numbers[start : start + SLICE]])

    def learn_keywords(self, rows: Iterable[Row], known: Iterable[str]) -> bytes:
        """FLAGS and PERMANENTFLAGS when the rows have new keywords; `known` are all of the mailbox.

        Keywords that nobody uses any more are forgotten with that.
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
        """The FLAGS response."""
        return responses.untagged(b"FLAGS", responses.flags((*SYSTEM_FLAGS, *self.keywords)))

    def _fetch(self, row: Row, modseqs: bool, uids: bool) -> bytes:
        number = self.number(row.uid)
        if not number or row.uid in self.gone:
            return b""
        uid = b"UID %d " % row.uid if uids else b""
        modseq = b" MODSEQ (%d)" % row.modseq if modseqs else b""
        return b"* %d FETCH (%bFLAGS %b%b)\r\n" % (number, uid, self.flags(row), modseq)
