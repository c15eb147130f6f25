"""The verbs that secure a connection and log its client in: STARTTLS and AUTH. RFC 3207, RFC 4954."""

from typing import Final

from postroom.contracts.errors import Unavailable
from postroom.entrance.exchange import exchange
from postroom.runtime.tls_transport import begin_tls
from postroom.smtpd import sayings as say
from postroom.smtpd.session import SmtpSession, Verb
from postroom.smtpd.stream import ConnectionEnd
from postroom.smtpd.surroundings import HANDSHAKE_SECONDS
from postroom.wire import sasl
from postroom.wire.smtp import commands
from postroom.wire.smtp.replies import Reply

MAX_AUTH_LINE: Final = 12288  # RFC 4954 section 4


async def starttls(session: SmtpSession, argument: str) -> Reply:
    """Begin TLS and forget what was said before."""
    if argument:
        return commands.SYNTAX
    around, client = session.surroundings, session.client
    if not around.manner.starttls or client.secured:
        return say.NO_STARTTLS
    if session.unread:
        # RFC 3207 section 6: what came in plain text behind STARTTLS may be an attacker's
        around.injected(client)
        raise ConnectionEnd(say.INJECTED.octets)
    session.say(say.START_TLS.octets)
    session.flush()
    await _start_tls(session)
    # RFC 3207 section 4.2: nothing said before TLS counts
    client.helo, client.extended, client.login = "", False, None
    session.transaction.reset()
    session.commands = 0
    return say.NOTHING


async def _start_tls(session: SmtpSession) -> None:
    around = session.surroundings
    try:
        await begin_tls(session.transport, session, around.tls_context(), HANDSHAKE_SECONDS)
    except (OSError, TimeoutError) as error:
        around.handshake_failed(session.client, error)
        raise ConnectionEnd from error
    if session.gone:
        raise ConnectionEnd


async def auth(session: SmtpSession, argument: str) -> Reply:
    """Log the client in."""
    around, client = session.surroundings, session.client
    if not around.manner.login:
        return say.NO_AUTH
    if not client.secured:
        return say.NEED_TLS_FOR_AUTH
    if not client.helo or client.login or session.transaction.mail is not None:
        return say.BAD_SEQUENCE
    if not argument:
        return commands.SYNTAX
    mechanism, _, initial = argument.partition(" ")

    async def ask(challenge: bytes) -> bytes:
        session.say(b"334 " + challenge + b"\r\n")
        line = await session.line(MAX_AUTH_LINE)
        if line is None or line[-2:] != b"\r\n":
            raise sasl.SaslError("response too long or malformed")
        return line[:-2]

    try:
        finished = await exchange(mechanism, initial.strip().encode("ascii") or None, ask)
    except sasl.UnknownMechanism:
        return say.UNKNOWN_MECHANISM
    except sasl.SaslError as error:
        return Reply(501, "5.5.2", str(error))
    try:
        client.login = await around.reception.authenticate(client, finished.response)
    except Unavailable as error:
        # 451 is no reply to AUTH: clients would not know that it is about the login
        around.refused(client, session.transaction, b"AUTH", say.AUTH_UNAVAILABLE, error)
        return say.AUTH_UNAVAILABLE
    return say.AUTHENTICATED


VERBS: Final[dict[str, Verb]] = {"STARTTLS": starttls, "AUTH": auth}
