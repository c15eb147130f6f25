"""All verbs of the server by name; those that need no more than a reply are here. RFC 5321 section 4.1."""

from collections.abc import Mapping
from typing import Final

from postroom.smtpd import login, receiving
from postroom.smtpd import sayings as say
from postroom.smtpd.session import SmtpSession, Verb
from postroom.smtpd.stream import ConnectionEnd
from postroom.wire.smtp import commands
from postroom.wire.smtp.replies import Reply


async def helo(session: SmtpSession, argument: str) -> Reply:
    """Greet a client that wants no extensions."""
    _greet(session, argument, extended=False)
    return session.surroundings.helo_reply


async def ehlo(session: SmtpSession, argument: str) -> Reply:
    """Greet a client and name the extensions."""
    _greet(session, argument, extended=True)
    return session.surroundings.ehlo_reply(session.client.secured)


def _greet(session: SmtpSession, argument: str, *, extended: bool) -> None:
    session.client.helo = commands.parse_helo(argument)
    session.client.extended = extended
    session.transaction.reset()


async def rset(session: SmtpSession, argument: str) -> Reply:
    """Give up the transaction."""
    if argument:
        return commands.SYNTAX
    session.transaction.reset()
    return say.RESET


async def noop(session: SmtpSession, argument: str) -> Reply:
    """Do nothing."""
    return say.OK


async def quit_(session: SmtpSession, argument: str) -> Reply:
    """End the session."""
    if argument:
        return commands.SYNTAX
    raise ConnectionEnd(say.BYE.octets)


async def vrfy(session: SmtpSession, argument: str) -> Reply:
    """Confirm no address: only RCPT tells."""
    return say.VRFY if argument else commands.SYNTAX


async def expn(session: SmtpSession, argument: str) -> Reply:
    """Refuse to show the members of a list."""
    return say.EXPN


async def help_(session: SmtpSession, argument: str) -> Reply:
    """Name the standard."""
    return say.HELP


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
