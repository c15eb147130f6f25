"""What a maildrop holds, and marks in it: STAT, LIST, UIDL, DELE, RSET, NOOP. RFC 1939 sections 5 and 7."""

from collections.abc import Mapping
from typing import Final

from postroom.pop3.session import Handler, Pop3Session
from postroom.wire.pop3 import answers
from postroom.wire.pop3.commands import parse_number


async def _stat(session: Pop3Session, _: tuple[bytes, ...]) -> bytes:
    count, size = session.maildrop.count_and_size()
    return answers.ok(f"{count} {size}")


async def _list(session: Pop3Session, arguments: tuple[bytes, ...]) -> bytes:
    if arguments:
        return answers.ok(session.maildrop.size(parse_number(arguments[0])))
    count, size = session.maildrop.count_and_size()
    return answers.listing(f"{count} messages ({size} octets)", session.maildrop.sizes())


async def _uidl(session: Pop3Session, arguments: tuple[bytes, ...]) -> bytes:
    if arguments:
        return answers.ok(session.maildrop.identity(parse_number(arguments[0])))
    return answers.listing("", session.maildrop.identities())


async def _dele(session: Pop3Session, arguments: tuple[bytes, ...]) -> bytes:
    session.maildrop.delete(parse_number(arguments[0]))
    return answers.ok("marked for deletion")


async def _rset(session: Pop3Session, _: tuple[bytes, ...]) -> bytes:
    session.maildrop.undelete_all()
    return answers.ok()


async def _noop(session: Pop3Session, _: tuple[bytes, ...]) -> bytes:
    return answers.ok()


HANDLERS: Final[Mapping[str, Handler]] = {
    "STAT": _stat, "LIST": _list, "UIDL": _uidl, "DELE": _dele, "RSET": _rset, "NOOP": _noop,
}  # fmt: skip
