"""Commands of every state and the way in: CAPABILITY, ID, STARTTLS, AUTHENTICATE, LOGIN. RFC 3501 sections 6.1, 6.2."""

from typing import Final

from postroom.contracts.errors import LoginError, LoginRefused
from postroom.entrance.admission import ACCOUNT_CLOSED, Entrance
from postroom.entrance.exchange import exchange, password_message
from postroom.imap import standing
from postroom.imap.dispatch import CommandHandler, LookForNews
from postroom.imap.refusals import TaggedReply, bad, no, reply_to
from postroom.imap.session import ImapSession
from postroom.runtime.connections import PeerInjected
from postroom.wire import sasl
from postroom.wire.imap import responses
from postroom.wire.imap.login import (
    Authenticate,
    Capability,
    Check,
    Enable,
    Id,
    Logout,
    Noop,
    PasswordLogin,
    StartTls,
)

_PRIVACY: Final = no(b"Start TLS first", b"PRIVACYREQUIRED")
_ENABLED: Final = frozenset({b"CONDSTORE"})


async def capability(session: ImapSession, command: Capability) -> TaggedReply:
    """Answer CAPABILITY."""
    session.write(responses.untagged(b"CAPABILITY", session.capabilities()))
    return TaggedReply()


async def noop(session: ImapSession, command: Noop | Check) -> TaggedReply:
    """Carry out NOOP and CHECK: acknowledged changes are on disk already, and the session looks for news anyway."""
    return TaggedReply()


async def logout(session: ImapSession, command: Logout) -> TaggedReply:
    """Carry out LOGOUT."""
    session.write(responses.status(b"*", b"BYE", b"Logging out"))
    session.end()
    return TaggedReply()


async def identification(session: ImapSession, command: Id) -> TaggedReply:
    """Answer ID with the product's name; the version is not revealed."""
    session.write(responses.untagged(b"ID", b'("name" "Postroom")'))
    return TaggedReply()


async def start_tls(session: ImapSession, command: StartTls) -> TaggedReply | None:
    """Carry out STARTTLS. Octets that the client has sent after it in plain text end the connection."""
    if session.connection.secured:
        return bad(b"TLS is active already")
    if session.context.tls is None:
        return no(b"TLS is not available", b"UNAVAILABLE")
    if session.input.framer.pending:
        raise PeerInjected
    context = session.context.tls()
    session.write(responses.status(session.tag, b"OK", b"Begin TLS negotiation now"))
    await session.connection.start_tls(context)
    return None


async def authenticate(session: ImapSession, command: Authenticate) -> TaggedReply:
    """Carry out AUTHENTICATE PLAIN or LOGIN."""
    if not session.connection.secured:
        return _PRIVACY

    async def ask(challenge: bytes) -> bytes:
        session.write(responses.continuation(challenge))
        return await session.input.next_line(session.context.config.max_line_before_login)

    try:
        finished = await exchange(command.mechanism, command.initial, ask)
    except sasl.UnknownMechanism:
        return no(b"Mechanism not offered", b"CANNOT")
    except sasl.SaslError as mistake:
        return bad(str(mistake).encode())
    return await _enter(session, finished.response)


async def login(session: ImapSession, command: PasswordLogin) -> TaggedReply:
    """Carry out LOGIN."""
    if not session.connection.secured:
        return _PRIVACY
    try:
        message = password_message(command.name, command.password)
    except sasl.SaslError:
        return reply_to(LoginRefused())
    return await _enter(session, message)


async def enable(session: ImapSession, command: Enable) -> TaggedReply:
    """Carry out ENABLE. RFC 5161."""
    enabled = sorted(_ENABLED.intersection(command.names))
    session.write(responses.untagged(b"ENABLED", *enabled))
    if enabled:
        session.enable_condstore()
    return TaggedReply()


async def _enter(session: ImapSession, message: bytes) -> TaggedReply:
    context, client = session.context, session.connection.peer
    entrance = Entrance("imap", context.authenticator, context.directory)
    try:
        login_, known = await entrance.admit(message, client, secured=session.connection.secured)
    except LoginError as error:
        reason = ACCOUNT_CLOSED if error.args == (ACCOUNT_CLOSED,) else type(error).__name__
        context.log.info(f"login refused: client={client} reason={reason}", client=client)
        raise
    if context.logins.count(known.id) >= context.config.max_connections_per_account:
        return no(b"Too many connections of this account", b"LIMIT")
    account = await context.store.account(known.id, known.id)
    standing.enter_account(session, account, known)
    session.connection.trust()
    context.log.info(
        f"login: account={login_.address} client={client} tls={session.connection.tls_version}",
        client=client,
        ACCOUNT=known.id,
    )
    return TaggedReply(b"OK", b"Logged in", b"CAPABILITY " + session.capabilities())


HANDLERS: Final = (
    CommandHandler(Capability, capability),
    CommandHandler(Noop, noop, news=LookForNews.ALWAYS),
    CommandHandler(Check, noop, news=LookForNews.ALWAYS),
    CommandHandler(Logout, logout, news=LookForNews.NEVER),
    CommandHandler(Id, identification),
    CommandHandler(StartTls, start_tls),
    CommandHandler(Authenticate, authenticate),
    CommandHandler(PasswordLogin, login),
    CommandHandler(Enable, enable),
)
