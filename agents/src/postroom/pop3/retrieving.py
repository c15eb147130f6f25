"""Messages to the client: RETR and TOP. RFC 1939 sections 5 and 7.

Room rule: a large message goes out in pieces, each after the client has taken the one before; it is never held as a
whole.
"""

from collections.abc import Mapping
from typing import Final

from postroom.contracts.errors import MailError, MessageLost
from postroom.pop3.session import Handler, Pop3Session
from postroom.wire.pop3 import answers
from postroom.wire.pop3.commands import parse_number

HEAD: Final = 16_384  # octets in which most header blocks end
LARGE: Final = 1 << 20  # octets of a message that is never held as a whole
LARGE_PIECE: Final = 1 << 18


async def _retr(session: Pop3Session, arguments: tuple[bytes, ...]) -> bytes:
    number, maildrop = parse_number(arguments[0]), session.maildrop
    if maildrop.octets(number) > LARGE:
        return await _retr_large(session, number)
    content = await maildrop.content(number)
    maildrop.note_read(number)
    return answers.ok(f"{len(content)} octets") + answers.message(content)


async def _retr_large(session: Pop3Session, number: int) -> bytes:
    """Write all but the end of the reply, and return that.

    Raises MessageLost before the reply has begun, and ConnectionAbortedError when the rest cannot be read.
    """
    maildrop, body = session.maildrop, answers.MultilineBody()
    size = maildrop.octets(number)
    if not await maildrop.piece(number, size - 1, size):
        raise MessageLost(f"mailbox='INBOX' message={number} is shorter than it was")
    head = answers.ok(f"{size} octets")
    for start in range(0, size, LARGE_PIECE):
        end = min(start + LARGE_PIECE, size)
        octets = await (maildrop.piece(number, start, end) if head else _next(session, number, start, end))
        if len(octets) != end - start:
            raise ConnectionAbortedError("message file is shorter than it was")
        session.connection.write(head + body.piece(octets))
        session.reply_begun, head = True, b""
        await session.connection.drain()
    maildrop.note_read(number)
    return body.end()


async def _top(session: Pop3Session, arguments: tuple[bytes, ...]) -> bytes:
    """Read no more than TOP shows, and hold no more than a piece. Raises as `_retr_large` does."""
    number, lines = map(parse_number, arguments)
    top, body = answers.Top(lines), answers.MultilineBody()
    octets = await session.maildrop.head(number, HEAD)
    read, size = len(octets), session.maildrop.octets(number)
    reply = answers.ok() + body.piece(top.piece(octets))
    while not top.done and read < size:
        session.connection.write(reply)
        session.reply_begun = True
        await session.connection.drain()
        octets = await _next(session, number, read, min(read + LARGE_PIECE, size))
        if not octets:
            break
        read += len(octets)
        reply = body.piece(top.piece(octets))
    return reply + body.piece(top.end()) + body.end()


async def _next(session: Pop3Session, number: int, start: int, end: int) -> bytes:
    """Read a piece after the reply has begun, which can only be broken off. Raises ConnectionAbortedError."""
    try:
        return await session.maildrop.piece(number, start, end)
    except MailError as error:
        if isinstance(error, MessageLost):
            session.log_lost(error)
        raise ConnectionAbortedError("message cannot be read to its end") from error


HANDLERS: Final[Mapping[str, Handler]] = {"RETR": _retr, "TOP": _top}
