"""Commands that change messages: STORE, COPY, MOVE, EXPUNGE. RFC 3501 section 6.4, RFC 4315, RFC 6851, RFC 7162."""

from collections.abc import Iterable, Sequence
from typing import Final

from postroom.contracts.account import FlagMode, Row, Stored
from postroom.contracts.errors import NoSuchMailbox
from postroom.imap import news
from postroom.imap.dispatch import CommandHandler, LookForNews
from postroom.imap.namespaces import locate
from postroom.imap.refusals import GONE, READ_ONLY, TaggedReply, no
from postroom.imap.session import ImapSession
from postroom.wire.imap import responses
from postroom.wire.imap.messages import CopyMessages, Expunge, StoreFlags, copy_uid
from postroom.wire.imap.sequence import compact

CHUNK: Final = 2000  # messages that one step changes
_MODES: Final = {"": FlagMode.REPLACE, "+": FlagMode.ADD, "-": FlagMode.REMOVE}


async def store(session: ImapSession, command: StoreFlags) -> TaggedReply:
    """Carry out STORE and UID STORE."""
    view = session.selected
    uids = view.chosen(command.set, uid=command.uid)
    if not view.writable:
        return READ_ONLY
    if command.unchanged_since is not None:
        session.enable_condstore()
    if command.silent:
        await news.look_before_silence(session, uids=command.uid)
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
        return TaggedReply(b"OK", b"Some messages had changed", b"MODIFIED " + compact(numbers))
    if found < len(uids) and not command.uid:
        session.note_news()
        return GONE
    return TaggedReply()


async def _store_some(session: ImapSession, command: StoreFlags, uids: Sequence[int]) -> Stored:
    view = session.selected
    mode = _MODES[command.sign]
    stored = await session.selected_account.store(view.id, uids, mode, command.flags, command.unchanged_since)
    session.write(view.learn_keywords(stored.rows, stored.keywords))
    session.write(_fetch_lines(session, command, stored.rows))
    if command.silent:
        view.know_unsaid(stored.rows, stored.before)
    else:
        for row in stored.rows:
            view.know(row)
    return stored


def _fetch_lines(session: ImapSession, command: StoreFlags, rows: Iterable[Row]) -> bytes:
    """Return FETCH responses. `.SILENT` covers flags only, not mod-sequences (RFC 7162 section 3.1.3)."""
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


async def copy(session: ImapSession, command: CopyMessages) -> TaggedReply:
    """Carry out COPY and MOVE with their UID forms."""
    view = session.selected
    uids = view.chosen(command.set, uid=command.uid)
    if command.move and not view.writable:
        return READ_ONLY
    if not uids:
        return TaggedReply()
    account = session.selected_account
    _, target = await locate(session, command.mailbox)
    try:
        if command.move:
            copied = await account.move(view.id, uids, target)
        else:
            copied = await account.copy(view.id, uids, target)
    except NoSuchMailbox:
        return no(b"No such mailbox", b"TRYCREATE")
    session.note_news()
    if not copied.sources:
        return TaggedReply() if command.uid else GONE
    code = copy_uid(copied.uidvalidity, copied.sources, copied.targets)
    if not command.move:
        return TaggedReply(code=code)
    # Before the EXPUNGE responses, so that the client can follow the messages (RFC 6851 section 4.3).
    session.write(responses.status(b"*", b"OK", b"Moved", code))
    return TaggedReply()


async def expunge(session: ImapSession, command: Expunge) -> TaggedReply:
    """Carry out EXPUNGE and UID EXPUNGE; the look for news before the reply writes the EXPUNGE responses."""
    view = session.selected
    if not view.writable:
        return READ_ONLY
    uids = None if command.uids is None else view.chosen(command.uids, uid=True)
    if uids is None or uids:
        await session.selected_account.expunge(view.id, uids)
    return TaggedReply()


HANDLERS: Final = (
    CommandHandler(StoreFlags, store, by_number=True),
    CommandHandler(CopyMessages, copy),
    CommandHandler(Expunge, expunge, news=LookForNews.ALWAYS),
)
