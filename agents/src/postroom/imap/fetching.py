"""FETCH: what its items need, and one response after another. RFC 3501 section 6.4.5.

Room rule: what rows can answer never opens a message, and responses are written as they are made.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from postroom.contracts.account import Detail, FlagMode, Row
from postroom.contracts.errors import MailError, MessageGone, MessageLost
from postroom.imap.absence import demand_present
from postroom.imap.bodies import Bodies, structured
from postroom.imap.dispatch import CommandHandler
from postroom.imap.fetchoutput import BATCH, FetchOutput
from postroom.imap.refusals import GONE, LOST, TaggedReply
from postroom.imap.rowitems import RowItems
from postroom.imap.session import ImapSession
from postroom.mail.flags import SEEN
from postroom.wire.imap.fetching import Fetch
from postroom.wire.imap.fetchitems import FetchItem, Item, Need, Section

ROWS: Final = 2000  # rows asked for at a time
DETAILS: Final = 200


class FetchPlan:
    """What the items of one FETCH need of each message."""

    __slots__ = ("header_only", "items", "marks_seen", "needs_content", "needs_structure")

    def __init__(self, items: tuple[FetchItem, ...], *, writable: bool) -> None:
        self.items = items
        needs = Need.ROW
        for item in items:
            if item.needs is not Need.ROW:  # most FETCH commands of a mail client ask for rows only
                needs |= item.needs
        self.needs_structure = self.needs_content = self.marks_seen = False
        self.header_only = True
        if needs is not Need.ROW:
            self.needs_structure = Need.STRUCTURE in needs
            self.header_only = Need.BODY not in needs
            self.needs_content = Need.HEADER in needs or not self.header_only
            self.marks_seen = writable and any(isinstance(item, Section) and not item.peek for item in items)

    @property
    def reads_messages(self) -> bool:
        """Whether rows are not enough."""
        return self.needs_structure or self.needs_content

    @property
    def without_content(self) -> list[FetchItem]:
        """The items that can be answered when the message's octets cannot be read."""
        return [item for item in self.items if not item.needs & (Need.HEADER | Need.BODY)]

    @property
    def of_row(self) -> list[FetchItem]:
        """The items that the row answers."""
        return [item for item in self.items if item.needs is Need.ROW]


async def fetch(session: ImapSession, command: Fetch) -> TaggedReply:
    """Answer FETCH and UID FETCH."""
    if Item.MODSEQ in command.items:
        session.enable_condstore()
    uids = session.selected.chosen(command.set, uid=command.uid)
    answer = _Answer(session, command)
    try:
        for chunk in _chunks(uids, DETAILS if answer.plan.reads_messages else ROWS):
            await answer.add(chunk)
    except MailError:
        await answer.output.write()
        raise
    await answer.output.write()
    if answer.lost:
        return LOST
    if answer.missing and not command.uid:
        return GONE
    return TaggedReply()


def _chunks(uids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(uids), size):
        yield uids[start : start + size]


class _Answer:
    """The responses to one FETCH."""

    def __init__(self, session: ImapSession, command: Fetch) -> None:
        view = session.selected
        self._session = session
        self._account = session.selected_account
        self._view = view
        self._changed_since = command.changed_since or 0
        self.plan = FetchPlan(command.items, writable=view.writable)
        self.output = FetchOutput(session)
        self._rows = RowItems(view)
        header_only = self.plan.header_only
        self._bodies = Bodies(self._account, view, self.output, header_only=header_only)
        self.missing = self.lost = False

    async def add(self, uids: Sequence[int]) -> None:
        """Add the responses for these UIDs."""
        rows = await self._account.rows(self._view.id, uids, self._changed_since)
        if len(rows) < len(uids) and not self._changed_since:
            self.missing = True
        changed: frozenset[int] = frozenset()
        if self.plan.marks_seen:
            rows, changed = await self._mark_seen(rows)
        if not self.plan.reads_messages:
            await self._add_rows(rows)
            return
        details: dict[int, Detail] = {}
        if self.plan.needs_structure:
            found = await self._account.details(self._view.id, [row.uid for row in rows])
            details = {detail.uid: detail for detail in found}
        if self.plan.needs_content:
            self._bodies.read_ahead([row.uid for row in rows if not self._bodies.is_large(row)])
        for row in rows:
            await self._add_message(row, details.get(row.uid), row.uid in changed)
            if self._session.time_slice.over:
                await self._session.flush()

    async def _mark_seen(self, rows: tuple[Row, ...]) -> tuple[tuple[Row, ...], frozenset[int]]:
        """Set \\Seen where it is missing; return the rows as they are then, and the UIDs whose flags changed."""
        unseen = [row.uid for row in rows if SEEN not in row.flags]
        if not unseen:
            return rows, frozenset()
        stored = await self._account.store(self._view.id, unseen, FlagMode.ADD, frozenset({SEEN}))
        now = {row.uid: row for row in stored.rows}
        for row in stored.rows:
            self._view.know(row)
        return tuple(now.get(row.uid, row) for row in rows), frozenset(now)

    async def _add_rows(self, rows: tuple[Row, ...]) -> None:
        makers = self._rows.makers(self.plan.items)
        number_of, output = self._view.number, self.output
        if self._session.time_slice.over:
            await self._session.flush()
        for row in rows:
            number = number_of(row.uid)
            if number:
                values = b" ".join([make(row) for make in makers])
                output.octets += b"* %d FETCH (%b)\r\n" % (number, values)
                if len(output.octets) >= BATCH:
                    await output.write()

    async def _add_message(self, row: Row, detail: Detail | None, with_flags: bool) -> None:
        """Add one response; when the message cannot be read, add what is known of it all the same.

        Raises ConnectionAbortedError when that turns out in the middle of a literal.
        """
        output = self.output
        start, output.begun = len(output.octets), False
        try:
            await self._respond(row, detail, with_flags, self.plan.items)
            return
        except MessageGone as gone:
            self.missing = True
            output.take_back(start, gone)
            return
        except MessageLost as lost:
            self.lost = True
            self._session.log.lost(lost)
        except (MailError, OSError) as error:  # of the store or the connection as a whole
            output.take_back(start, error)
            raise
        except Exception as error:
            detail = None
            self._note_fault(row, error)
        output.take_back(start, None)
        await self._respond_without_content(row, detail, with_flags)

    async def _respond_without_content(self, row: Row, detail: Detail | None, with_flags: bool) -> None:
        items = self.plan.of_row if detail is None else self.plan.without_content
        start = len(self.output.octets)
        try:
            await self._respond(row, detail, with_flags, items)
        except (MailError, OSError):
            raise
        except Exception as error:
            self._note_fault(row, error)
            self.output.take_back(start, error)

    async def _respond(
        self, row: Row, detail: Detail | None, with_flags: bool, items: Sequence[FetchItem]
    ) -> None:
        bodies, output, content = self._bodies, self.output, b""
        complete = items is self.plan.items
        sections = complete and self.plan.needs_content
        large = sections and bodies.is_large(row)
        if detail is None and (large or (complete and self.plan.needs_structure)):
            detail = await self._detail(row.uid)
        if large:
            await bodies.check_end(row)
        elif sections:
            content = await bodies.content(row)
        if with_flags:
            items = [*self._flag_items(), *items]
        if not items:
            return
        output.octets += b"* %d FETCH (" % self._view.number(row.uid)
        for index, item in enumerate(items):
            if index:
                output.octets += b" "
            if not isinstance(item, Section):
                made = self._rows.maker(item)(row) if item.needs is Need.ROW else structured(item, detail)
                output.octets += made
            elif large and detail is not None:
                await bodies.add_large_section(item, row.uid, detail.structure)
            else:
                await bodies.add_section(item, content, detail)
        output.octets += b")\r\n"
        output.begun = False
        if len(output.octets) >= BATCH:
            await output.write()

    def _note_fault(self, row: Row, error: Exception) -> None:
        self.lost = True
        self._session.log.fault(f"FETCH of mailbox={self._view.name!r} uid={row.uid}", error)

    def _flag_items(self) -> list[Item]:
        """Return what to add when this FETCH has set \\Seen (RFC 3501 section 6.4.5, RFC 7162 section 3.2)."""
        wanted = [Item.FLAGS, Item.MODSEQ] if self._session.condstore else [Item.FLAGS]
        return [item for item in wanted if item not in self.plan.items]

    async def _detail(self, uid: int) -> Detail:
        """Return envelope and structure of one message. Raises MessageGone, MessageLost."""
        found = await self._account.details(self._view.id, (uid,))
        if not found:
            await demand_present(self._session, uid)
        return found[0]


HANDLERS: Final = (CommandHandler(Fetch, fetch, by_number=True),)
