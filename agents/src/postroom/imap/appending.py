"""APPEND: a message from the client into a mailbox. RFC 3501 section 6.3.11, RFC 4315."""

import re
from typing import Final

from postroom.contracts.account import NewMessage
from postroom.contracts.errors import NoSuchMailbox
from postroom.imap.dispatch import CommandHandler
from postroom.imap.namespaces import is_selected, locate
from postroom.imap.refusals import TaggedReply, no
from postroom.imap.session import ImapSession
from postroom.wire.imap.appending import Append, append_uid

_BARE_LF: Final = re.compile(rb"(?<!\r)\n")


async def append(session: ImapSession, command: Append) -> TaggedReply:
    """Store a message. Lines that end with LF alone are repaired, since parts could not be found in them."""
    content = command.message
    if content.count(b"\n") != content.count(b"\r\n"):
        content = _BARE_LF.sub(b"\r\n", content)
    located = await locate(session, command.mailbox)
    try:
        done = await located.account.append(located.name, (NewMessage(content, command.flags, command.date),))
    except NoSuchMailbox:
        return no(b"No such mailbox", b"TRYCREATE")
    if is_selected(session, located):
        session.note_news()
    return TaggedReply(code=append_uid(done.uidvalidity, done.uids[0]))


HANDLERS: Final = (CommandHandler(Append, append),)
