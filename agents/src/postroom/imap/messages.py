"""Commands that change messages: STORE, COPY, MOVE, EXPUNGE. RFC 3501 section 6.4, RFC 4315, RFC 6851, RFC 7162."""

from collections.abc import Iterable, Sequence
from typing import Final

from postroom.contracts.account import Copied, FlagMode, Row, Stored
from postroom.contracts.errors import NoSuchMailbox
from postroom.imap.refusals import GONE, READ_ONLY, Reply, no
from postroom.imap.session import Session
from postroom.wire.imap import commands, responses
from postroom.wire.imap.sequence import compact, in_order

CHUNK: Final = 2000
_MODES: Final = {"": FlagMode.REPLACE, "+": FlagMode.ADD, "-": FlagMode.REMOVE}


async def store(session: Session, tagged: commands.Tagged) -> Reply:
    """STORE and UID STORE."""
    command = tagged.command
    assert isinstance(command, commands.Store)
    view = session.selected
    uids = view.chosen(command.set, uid=command.uid)
    if not view.writable:
        return READ_ONLY
    if command.unchanged_since is not None:
        session.enable_condstore()
    if command.silent:
        await session.look_before_silence(uids=command.uid)
    found = 0
    modified: list[int] = []
    for start in range(0, len(uids), CHUNK):
        stored = await _store_some(session, command, uids[start : start + CHUNK])
        found += len(stored.rows)
        modified += stored.modified
        await session.flush()
    if modified:
        session.note_news()
        numbers = modified if command.uid else filter(None, map(view.number, modified))
        return Reply(b"OK", b"Some messages had changed", b"MODIFIED " + compact(numbers))
    if found < len(uids) and not command.uid:
        session.note_news()
        return GONE
    return Reply()


async def _store_some(session: Session, command: commands.Store, uids: Sequence[int]) -> Stored:
    view = session.selected
    mode = _MODES[command.sign]
    stored = await session.opened.store(view.id, uids, mode, command.flags, command.unchanged_since)
    session.write(view.learn_keywords(stored.rows, stored.keywords))
    session.write(_told(session, command, stored.rows))
    if command.silent:
        view.know_unsaid(stored.rows, stored.before)
    else:
        for row in stored.rows:
            view.know(row)
    return stored


def _told(session: Session, command: commands.Store, rows: Iterable[Row]) -> bytes:
    """FETCH responses. Silence covers flags alone: mod-sequences are always told (RFC 7162 section 3.1.3)."""
    if command.silent and not session.condstore:
        return b""
    view = session.selected
    out = bytearray()
    for row in rows:
        items = []
        if command.uid or session.condstore:
            items.append(b"UID %d" % row.uid)
        if not command.silent:
            items.append(b"FLAGS " + view.flags(row))
        if session.condstore:
            items.append(b"MODSEQ (%d)" % row.modseq)
        if number := view.number(row.uid):
            out += b"* %d FETCH (%b)\r\n" % (number, b" ".join(items))
    return bytes(out)


async def copy(session: Session, tagged: commands.Tagged) -> Reply:
    """COPY and MOVE with their UID forms."""
    command = tagged.command
    assert isinstance(command, commands.Copy)
    view = session.selected
    uids = view.chosen(command.set, uid=command.uid)
    if command.move and not view.writable:
        return READ_ONLY
    if not uids:
        return Reply()
    try:
        if command.move:
            copied = await session.opened.move(view.id, uids, command.mailbox)
        else:
            copied = await session.opened.copy(view.id, uids, command.mailbox)
    except NoSuchMailbox:
        return no(b"No such mailbox", b"TRYCREATE")
    session.note_news()
    if not copied.sources:
        return Reply() if command.uid else GONE
    code = _copyuid(copied)
    if not command.move:
        return Reply(code=code)
    # Before the EXPUNGE responses, so that the client can follow the messages (RFC 6851 section 4.3).
    session.write(responses.status(b"*", b"OK", b"Moved", code))
    return Reply()


def _copyuid(copied: Copied) -> bytes:
    return b"COPYUID %d %b %b" % (copied.uidvalidity, in_order(copied.sources), in_order(copied.targets))


async def expunge(session: Session, tagged: commands.Tagged) -> Reply:
    """EXPUNGE and UID EXPUNGE; the EXPUNGE responses go out with the news."""
    command = tagged.command
    assert isinstance(command, commands.Expunge)
    view = session.selected
    if not view.writable:
        return READ_ONLY
    uids = None if command.uids is None else view.chosen(command.uids, uid=True)
    if uids is None or uids:
        await session.opened.expunge(view.id, uids)
    return Reply()
