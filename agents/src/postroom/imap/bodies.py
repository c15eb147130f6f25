"""FETCH items that need a message's structure or its octets. RFC 3501 section 6.4.5.

Room rule: a large body goes out in pieces, each after the client has taken the one before; a large message is never
held as a whole.
"""

from collections.abc import Sequence
from typing import Final

from postroom.contracts.account import Detail, MailAccount, Row
from postroom.contracts.errors import MessageLost
from postroom.imap.fetchoutput import BATCH, FetchOutput
from postroom.imap.view import View
from postroom.mail.mime import Part
from postroom.store.ahead import contents_ahead, heads_ahead
from postroom.wire.imap.fetchitems import Item, Section
from postroom.wire.imap.sections import chooses_fields, cut, header_end, region, slice_of
from postroom.wire.imap.structure import body, envelope

PIECE: Final = 65_536
AHEAD: Final = 1 << 20  # octets that are read in one call of the store
HEAD: Final = 16_384  # octets in which most header blocks end
LARGE: Final = 1 << 20  # octets of a message that is never held as a whole
LARGE_PIECE: Final = 1 << 18


def structured(item: Item, detail: Detail | None) -> bytes:
    """Return ENVELOPE, BODY or BODYSTRUCTURE."""
    assert detail is not None
    if item is Item.ENVELOPE:
        return b"ENVELOPE " + envelope(detail.envelope)
    if item is Item.BODY:
        return b"BODY " + body(detail.structure, extended=False)
    return b"BODYSTRUCTURE " + body(detail.structure, extended=True)


class Bodies:
    """Read messages of one view, and put their sections into the answer."""

    __slots__ = ("_account", "_contents", "_header_only", "_heads", "_output", "_view")

    def __init__(self, account: MailAccount, view: View, output: FetchOutput, *, header_only: bool) -> None:
        self._account = account
        self._view = view
        self._output = output
        self._header_only = header_only
        self.read_ahead(())

    def read_ahead(self, uids: Sequence[int]) -> None:
        """Expect that the messages of these UIDs, ascending and none of them large, are read one after the other."""
        self._contents = contents_ahead(self._account, self._view.id, uids, AHEAD)
        self._heads = heads_ahead(self._account, self._view.id, uids, HEAD)

    def is_large(self, row: Row) -> bool:
        """Tell whether the message has to be sent in pieces."""
        return row.size > LARGE and not self._header_only

    async def content(self, row: Row) -> bytes:
        """Return the message, or only its beginning where that holds all that is asked for.

        Raises MessageGone, MessageLost.
        """
        if self._header_only:
            start = await self._heads.read(row.uid)
            if header_end(start) < len(start):
                return start
            return await self._account.content(self._view.id, row.uid)
        return await self._contents.read(row.uid)

    async def check_end(self, row: Row) -> None:
        """Read the last octet of a large message, before a literal of its length begins.

        Raises MessageGone, MessageLost.
        """
        if not await self._account.piece(self._view.id, row.uid, row.size - 1, row.size):
            raise self._shorter(row.uid)

    async def add_section(self, section: Section, content: bytes, detail: Detail | None) -> None:
        """Add a section of a message whose octets have been read."""
        output = self._output
        octets = slice_of(section, content, detail.structure if detail else None)
        if octets is None:
            output.octets += section.label + b" NIL"
            return
        output.octets += b"%b {%d}\r\n" % (section.label, len(octets))
        if len(octets) < BATCH:
            output.octets += octets
            return
        await output.write_begun()
        for start in range(0, len(octets), PIECE):
            await output.pass_on(bytes(octets[start : start + PIECE]))

    async def add_large_section(self, section: Section, uid: int, root: Part) -> None:
        """Add a section of a large message, read piece by piece. Raises MessageGone, MessageLost."""
        found = region(section, root)
        if found is None:
            self._output.octets += section.label + b" NIL"
            return
        start, end = found
        if chooses_fields(section):
            octets = cut(section, await self._account.piece(self._view.id, uid, start, end))
            self._output.octets += b"%b {%d}\r\n" % (section.label, len(octets))
            self._output.octets += octets
            return
        start = min(start + section.start, end)
        end = end if section.count is None else min(start + section.count, end)
        await self._stream(section, uid, start, end)

    async def _stream(self, section: Section, uid: int, start: int, end: int) -> None:
        """Write a literal. It does not begin before the store has returned its first piece."""
        account, mailbox, output = self._account, self._view.id, self._output
        octets = await account.piece(mailbox, uid, start, min(start + LARGE_PIECE, end))
        output.octets += b"%b {%d}\r\n" % (section.label, end - start)
        await output.write_begun()
        while True:
            await output.pass_on(octets)
            start += len(octets)
            if start >= end:
                return
            octets = await account.piece(mailbox, uid, start, min(start + LARGE_PIECE, end))
            if not octets:
                raise self._shorter(uid)

    def _shorter(self, uid: int) -> MessageLost:
        return MessageLost(f"mailbox={self._view.name!r} uid={uid} is shorter than it was")
