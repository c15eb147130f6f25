"""The verbs that secure a connection and log its client in: STARTTLS and AUTH. RFC 3207, RFC 4954."""

from typing import Final

from postroom.contracts.errors import Unavailable
from postroom.entrance.exchange import exchange
from postroom.runtime.tls_transport import begin_tls
from postroom.smtpd import replies
from postroom.smtpd.context import HANDSHAKE_SECONDS
from postroom.smtpd.session import SmtpSession, Verb
from postroom.smtpd.stream import ConnectionEnd
from postroom.wire import sasl
from postroom.wire.smtp import commands
from postroom.wire.smtp.replies import Reply

MAX_AUTH_LINE: Final = 12288  # RFC 4954 section 4


async def starttls(session: SmtpSession, argument: str) -> Reply:
    """Begin TLS and forget what was said before."""
    if argument:
        return commands.SYNTAX
    context, client = session.context, session.client
    if not context.listener.starttls or client.secured:
        return replies.NO_STARTTLS
    if session.unread:
        # RFC 3207 section 6: plain text that follows STARTTLS may come from an attacker.
        context.log_injection(client)
        raise ConnectionEnd(replies.INJECTED.octets)
    session.write(replies.START_TLS.octets)
    session.flush()
    await _start_tls(session)
    # RFC 3207 section 4.2: forget everything that the client said before TLS.
    client.helo, client.extended, client.login = "", False, None
    session.transaction.reset()
    session.commands = 0
    return replies.NO_REPLY


async def _start_tls(session: SmtpSession) -> None:
    context = session.context
    try:
        await begin_tls(session.transport, session, context.tls_context(), HANDSHAKE_SECONDS)
    except (OSError, TimeoutError) as error:
        context.log_handshake_failure(session.client, error)
        raise ConnectionEnd from error
    if session.gone:
        raise ConnectionEnd


async def auth(session: SmtpSession, argument: str) -> Reply:
    """Log the client in."""
    context, client = session.context, session.client
    if not context.listener.login:
        return replies.NO_AUTH
    if not client.secured:
        return replies.NEED_TLS_FOR_AUTH
    if not client.helo or client.login or session.transaction.mail is not None:
        return replies.BAD_SEQUENCE
    if not argument:
        return commands.SYNTAX
    mechanism, _, initial = argument.partition(" ")

    async def ask(challenge: bytes) -> bytes:
        session.write(b"334 " + challenge + b"\r\n")
        line = await session.line(MAX_AUTH_LINE)
        if line is None or line[-2:] != b"\r\n":
            raise sasl.SaslError("response too long or malformed")
        return line[:-2]

    try:
        finished = await exchange(mechanism, initial.strip().encode("ascii") or None, ask)
    except sasl.UnknownMechanism:
        return replies.UNKNOWN_MECHANISM
    except sasl.SaslError as error:
        return Reply(501, "5.5.2", str(error))
    try:
        client.login = await context.reception.authenticate(client, finished.response)
    except Unavailable as error:
        # A 451 reply would not tell the client that the login failed; 454 does.
        context.log_refusal(client, session.transaction, b"AUTH", replies.AUTH_UNAVAILABLE, error)
        return replies.AUTH_UNAVAILABLE
    return replies.AUTHENTICATED


VERBS: Final[dict[str, Verb]] = {"STARTTLS": starttls, "AUTH": auth}
