"""All verbs by name. The simple ones, which only need a reply, are defined here. RFC 5321 section 4.1."""

from collections.abc import Mapping
from typing import Final

from postroom.smtpd import login, receiving, replies
from postroom.smtpd.session import SmtpSession, Verb
from postroom.smtpd.stream import ConnectionEnd
from postroom.wire.smtp import commands
from postroom.wire.smtp.replies import Reply


async def helo(session: SmtpSession, argument: str) -> Reply:
    """Greet a client without extensions."""
    _greet(session, argument, extended=False)
    return session.context.helo_reply


async def ehlo(session: SmtpSession, argument: str) -> Reply:
    """Greet a client and list the extensions."""
    _greet(session, argument, extended=True)
    return session.context.ehlo_reply(session.client.secured)


def _greet(session: SmtpSession, argument: str, *, extended: bool) -> None:
    session.client.helo = commands.parse_helo(argument)
    session.client.extended = extended
    session.transaction.reset()


async def rset(session: SmtpSession, argument: str) -> Reply:
    """Reset the transaction."""
    if argument:
        return commands.SYNTAX
    session.transaction.reset()
    return replies.RESET


async def noop(session: SmtpSession, argument: str) -> Reply:
    """Do nothing."""
    return replies.OK


async def quit_(session: SmtpSession, argument: str) -> Reply:
    """End the session."""
    if argument:
        return commands.SYNTAX
    raise ConnectionEnd(replies.BYE.octets)


async def vrfy(session: SmtpSession, argument: str) -> Reply:
    """Neither confirm nor deny an address; only RCPT does."""
    return replies.VRFY if argument else commands.SYNTAX


async def expn(session: SmtpSession, argument: str) -> Reply:
    """Refuse to show the members of a list."""
    return replies.EXPN


async def help_(session: SmtpSession, argument: str) -> Reply:
    """Point to the standard."""
    return replies.HELP


VERBS: Final[Mapping[str, Verb]] = {
    "HELO": helo,
    "EHLO": ehlo,
    "RSET": rset,
    "NOOP": noop,
    "QUIT": quit_,
    "VRFY": vrfy,
    "EXPN": expn,
    "HELP": help_,
    **login.VERBS,
    **receiving.VERBS,
}
