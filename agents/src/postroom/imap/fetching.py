"""FETCH: rows, structures and slices of messages, written as they are found. RFC 3501 section 6.4.5.

Room rule: what only rows can answer never opens a message; a large body leaves in pieces, each after the one
before has gone to the client.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from postroom.contracts.account import Detail, FlagMode, Row
from postroom.contracts.errors import MailError, MessageGone, MessageLost
from postroom.imap.absence import demand_present
from postroom.imap.refusals import GONE, LOST, Reply
from postroom.imap.session import Session
from postroom.imap.view import View
from postroom.mail.flags import SEEN
from postroom.mail.mime import Part
from postroom.wire.imap import commands, responses
from postroom.wire.imap.fetchitems import FetchItem, Item, Section, Text
from postroom.wire.imap.sections import (
    chooses_fields,
    cut,
    header_end,
    needs_structure,
    region,
    slice_of,
)
from postroom.wire.imap.structure import body, envelope

ROWS: Final = 1000  # rows asked for at a time
DETAILS: Final = 100
BATCH: Final = 65_536  # octets gathered before they are written
PIECE: Final = 65_536
HEAD: Final = 16_384  # octets in which most header blocks end
LARGE: Final = 1 << 20  # octets of a message that is never held as a whole
LARGE_PIECE: Final = 1 << 18

_HEADERS: Final = (Text.HEADER, Text.FIELDS, Text.FIELDS_NOT)
_STRUCTURED: Final = (Item.ENVELOPE, Item.BODY, Item.BODYSTRUCTURE)


async def fetch(session: Session, tagged: commands.Tagged) -> Reply:
    """FETCH and UID FETCH."""
    command = tagged.command
    assert isinstance(command, commands.Fetch)
    if Item.MODSEQ in command.items:
        session.enable_condstore()
    view = session.selected
    uids = view.chosen(command.set, uid=command.uid)
    answering = _Fetch(session, view, command)
    try:
        for chunk in _chunks(uids, DETAILS if answering.reads_messages else ROWS):
            await answering.answer(chunk)
    except MailError:
        await answering.finish()
        raise
    await answering.finish()
    if answering.lost:
        return LOST
    if answering.missing and not command.uid:
        return GONE
    return Reply()


def _chunks(uids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(uids), size):
        yield uids[start : start + size]


class _Fetch:
    """One FETCH under way."""

    def __init__(self, session: Session, view: View, command: commands.Fetch) -> None:
        self._session = session
        self._view = view
        self._changed_since = command.changed_since or 0
        self._items: list[FetchItem] = list(command.items)
        sections = [item for item in self._items if isinstance(item, Section)]
        self._marks_seen = view.writable and any(not section.peek for section in sections)
        self._needs_details = any(item in _STRUCTURED for item in self._items) or any(
            map(needs_structure, sections)
        )
        self._needs_content = bool(sections)
        self._header_only = all(section.text in _HEADERS and not section.part for section in sections)
        self.reads_messages = self._needs_details or self._needs_content
        self.missing = self.lost = False
        self._midway = False  # octets of a response have gone out whose end is not made yet
        self._out = bytearray()
        self._flags: dict[frozenset[str], bytes] = {}

    async def answer(self, uids: Sequence[int]) -> None:
        """Write the responses for these UIDs."""
        account, view = self._session.opened, self._view
        rows = await account.rows(view.id, uids, self._changed_since)
        if len(rows) < len(uids) and not self._changed_since:
            self.missing = True
        changed: frozenset[int] = frozenset()
        if self._marks_seen:
            rows, changed = await self._mark_seen(rows)
        details: dict[int, Detail] = {}
        if self._needs_details:
            found = await account.details(view.id, [row.uid for row in rows])
            details = {detail.uid: detail for detail in found}
        if self.reads_messages:
            for row in rows:
                await self._answer_one(row, details.get(row.uid), row.uid in changed)
                if self._session.turn.over:
                    await self._session.flush()
        else:
            await self._answer_rows(rows)

    async def finish(self) -> None:
        """Write what was gathered."""
        await self._write_out()

    async def _mark_seen(self, rows: tuple[Row, ...]) -> tuple[tuple[Row, ...], frozenset[int]]:
        """Set \\Seen where it is missing; the rows as they are then, and whose flags have to be told."""
        unseen = [row.uid for row in rows if SEEN not in row.flags]
        if not unseen:
            return rows, frozenset()
        stored = await self._session.opened.store(self._view.id, unseen, FlagMode.ADD, frozenset({SEEN}))
        now = {row.uid: row for row in stored.rows}
        for row in stored.rows:
            self._view.know(row)
        return tuple(now.get(row.uid, row) for row in rows), frozenset(now)

    async def _answer_rows(self, rows: tuple[Row, ...]) -> None:
        makers = [self._maker(item) for item in self._items]
        number = self._view.number
        if self._session.turn.over:
            await self._session.flush()
        for row in rows:
            place = number(row.uid)
            if place:
                values = b" ".join([make(row) for make in makers])
                self._out += b"* %d FETCH (%b)\r\n" % (place, values)
                if len(self._out) >= BATCH:
                    await self._write_out()

    async def _answer_one(self, row: Row, detail: Detail | None, tell_flags: bool) -> None:
        """Write one response; when the message cannot be read, what can be told of it all the same.

        Raises ConnectionAbortedError: it turned out too late, within a literal that nothing else can end.
        """
        start, self._midway = len(self._out), False
        try:
            await self._respond(row, detail, tell_flags, self._items)
            return
        except MessageGone as gone:
            self.missing = True
            self._take_back(start, gone)
            return
        except MessageLost as lost:
            self._note_lost(lost)
        except (MailError, OSError) as error:  # of the store or the connection as a whole
            self._take_back(start, error)
            raise
        except Exception as error:
            detail = None
            self._note_fault(row, error)
        self._take_back(start, None)
        await self._respond_without_content(row, detail, tell_flags)

    def _take_back(self, start: int, error: Exception | None) -> None:
        """Forget a response that was begun. Raises ConnectionAbortedError."""
        if self._midway:
            raise ConnectionAbortedError("message cannot be read to its end") from error
        del self._out[start:]

    async def _respond_without_content(self, row: Row, detail: Detail | None, tell_flags: bool) -> None:
        left = [item for item in self._items if not isinstance(item, Section)]
        if detail is None:
            left = [item for item in left if item not in _STRUCTURED]
        start = len(self._out)
        try:
            await self._respond(row, detail, tell_flags, left)
        except (MailError, OSError):
            raise
        except Exception as error:
            self._note_fault(row, error)
            self._take_back(start, error)

    async def _respond(
        self, row: Row, detail: Detail | None, tell_flags: bool, items: Sequence[FetchItem]
    ) -> None:
        content = b""
        sections = any(isinstance(item, Section) for item in items)
        large = sections and row.size > LARGE and not self._header_only
        if detail is None and (large or (self._needs_details and len(items) == len(self._items))):
            detail = await self._detail(row.uid)
        if sections:
            content = await self._content(row, large)
        if tell_flags:
            items = [*self._told_with_flags(), *items]
        if not items:
            return
        self._out += b"* %d FETCH (" % self._view.number(row.uid)
        for place, item in enumerate(items):
            if place:
                self._out += b" "
            if not isinstance(item, Section):
                self._out += self._maker(item)(row) if item not in _STRUCTURED else _structured(item, detail)
            elif large and detail is not None:
                await self._large_section(item, row.uid, detail.structure)
            else:
                await self._section(item, content, detail)
        self._out += b")\r\n"
        self._midway = False
        if len(self._out) >= BATCH:
            await self._write_out()

    def _note_lost(self, lost: MessageLost) -> None:
        self.lost = True
        self._session.teller.lost(lost)

    def _note_fault(self, row: Row, error: Exception) -> None:
        self.lost = True
        self._session.teller.fault(f"FETCH of mailbox={self._view.name!r} uid={row.uid}", error)

    def _told_with_flags(self) -> list[Item]:
        """What goes with \\Seen that this FETCH has set (RFC 3501 section 6.4.5, RFC 7162 section 3.2)."""
        wanted = [Item.FLAGS, Item.MODSEQ] if self._session.condstore else [Item.FLAGS]
        return [item for item in wanted if item not in self._items]

    async def _detail(self, uid: int) -> Detail:
        """Raises MessageGone, MessageLost."""
        found = await self._session.opened.details(self._view.id, (uid,))
        if not found:
            await demand_present(self._session, uid)
        return found[0]

    async def _content(self, row: Row, large: bool) -> bytes:
        """The message, or as much of it as holds the header when that is all that is asked for.

        Of a large one nothing: its pieces are read when they are sent. Raises MessageGone, MessageLost.
        """
        account, mailbox, uid = self._session.opened, self._view.id, row.uid
        if large:  # the end is looked at before a literal of this length is begun
            if not await account.piece(mailbox, uid, row.size - 1, row.size):
                raise MessageLost(f"mailbox={self._view.name!r} uid={uid} is shorter than it was")
            return b""
        if self._header_only:
            start = await account.head(mailbox, uid, HEAD)
            if header_end(start) < len(start):
                return start
        return await account.content(mailbox, uid)

    async def _section(self, section: Section, content: bytes, detail: Detail | None) -> None:
        octets = slice_of(section, content, detail.structure if detail else None)
        if octets is None:
            self._out += section.label + b" NIL"
            return
        self._out += b"%b {%d}\r\n" % (section.label, len(octets))
        if len(octets) < BATCH:
            self._out += octets
            return
        self._midway = True
        await self._write_out()
        for start in range(0, len(octets), PIECE):
            self._session.write(bytes(octets[start : start + PIECE]))
            await self._session.connection.drain()

    async def _large_section(self, section: Section, uid: int, root: Part) -> None:
        """The same, read piece by piece as the client takes them. Raises MessageGone, MessageLost."""
        found = region(section, root)
        if found is None:
            self._out += section.label + b" NIL"
            return
        start, end = found
        if chooses_fields(section):
            octets = cut(section, await self._session.opened.piece(self._view.id, uid, start, end))
            self._out += b"%b {%d}\r\n" % (section.label, len(octets))
            self._out += octets
            return
        start = min(start + section.start, end)
        end = end if section.count is None else min(start + section.count, end)
        await self._stream(section, uid, start, end)

    async def _stream(self, section: Section, uid: int, start: int, end: int) -> None:
        """Write a literal; it is not begun before the store has its first piece at hand."""
        octets = await self._session.opened.piece(self._view.id, uid, start, min(start + LARGE_PIECE, end))
        self._out += b"%b {%d}\r\n" % (section.label, end - start)
        self._midway = True
        await self._write_out()
        while True:
            self._session.write(octets)
            await self._session.connection.drain()
            start += len(octets)
            if start >= end:
                return
            octets = await self._session.opened.piece(
                self._view.id, uid, start, min(start + LARGE_PIECE, end)
            )
            if not octets:
                raise MessageLost(f"mailbox={self._view.name!r} uid={uid} is shorter than it was")

    def _maker(self, item: FetchItem) -> Callable[[Row], bytes]:
        match item:
            case Item.UID:
                return _uid
            case Item.FLAGS:
                return self._flags_of
            case Item.INTERNALDATE:
                return _internal_date
            case Item.SIZE:
                return _size
        return _modseq

    def _flags_of(self, row: Row) -> bytes:
        if row.uid in self._view.recent:
            return b"FLAGS " + self._view.flags(row)
        known = self._flags.get(row.flags)
        if known is None:
            known = self._flags[row.flags] = b"FLAGS " + responses.flags(row.flags)
        return known

    async def _write_out(self) -> None:
        if self._out:
            self._session.write(bytes(self._out))
            self._out = bytearray()
        await self._session.flush()


def _uid(row: Row) -> bytes:
    return b"UID %d" % row.uid


def _size(row: Row) -> bytes:
    return b"RFC822.SIZE %d" % row.size


def _modseq(row: Row) -> bytes:
    return b"MODSEQ (%d)" % row.modseq


def _internal_date(row: Row) -> bytes:
    return b"INTERNALDATE " + responses.date_time(row.internal_date)


def _structured(item: FetchItem, detail: Detail | None) -> bytes:
    assert detail is not None
    if item is Item.ENVELOPE:
        return b"ENVELOPE " + envelope(detail.envelope)
    if item is Item.BODY:
        return b"BODY " + body(detail.structure, extended=False)
    return b"BODYSTRUCTURE " + body(detail.structure, extended=True)
