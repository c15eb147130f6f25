"""Commands of every state and the way in: CAPABILITY, ID, STARTTLS, AUTHENTICATE, LOGIN. RFC 3501 sections 6.1, 6.2."""

from typing import Final

from postroom.contracts.auth import LoginAttempt
from postroom.contracts.errors import LoginError, LoginRefused
from postroom.imap.refusals import Reply, bad, no, reply_to
from postroom.imap.session import Session
from postroom.runtime.connections import PeerInjected
from postroom.wire import sasl
from postroom.wire.imap import commands, responses

_PRIVACY: Final = no(b"Start TLS first", b"PRIVACYREQUIRED")
_ENABLED: Final = frozenset({b"CONDSTORE"})


async def capability(session: Session, tagged: commands.Tagged) -> Reply:
    """CAPABILITY."""
    session.write(responses.untagged(b"CAPABILITY", session.capabilities()))
    return Reply()


async def noop(session: Session, tagged: commands.Tagged) -> Reply:
    """NOOP and CHECK: news go out before the reply; what was acknowledged is on disk already."""
    return Reply()


async def logout(session: Session, tagged: commands.Tagged) -> Reply:
    """LOGOUT."""
    session.write(responses.status(b"*", b"BYE", b"Logging out"))
    session.end()
    return Reply()


async def identification(session: Session, tagged: commands.Tagged) -> Reply:
    """ID: our name; the version is nobody's business."""
    session.write(responses.untagged(b"ID", b'("name" "Postroom")'))
    return Reply()


async def start_tls(session: Session, tagged: commands.Tagged) -> Reply | None:
    """STARTTLS. Octets that came behind it in plain text end the connection."""
    if session.connection.secured:
        return bad(b"TLS is active already")
    if session.surroundings.tls is None:
        return no(b"TLS is not available", b"UNAVAILABLE")
    if session.framer.pending:
        raise PeerInjected
    context = session.surroundings.tls()
    session.write(responses.status(tagged.tag, b"OK", b"Begin TLS negotiation now"))
    await session.connection.start_tls(context)
    return None


async def authenticate(session: Session, tagged: commands.Tagged) -> Reply:
    """AUTHENTICATE PLAIN or LOGIN."""
    command = tagged.command
    assert isinstance(command, commands.Authenticate)
    if not session.connection.secured:
        return _PRIVACY
    try:
        step = sasl.begin_encoded(command.mechanism, command.initial)
        while isinstance(step, sasl.Asking):
            session.write(responses.continuation(sasl.encode_line(step.challenge)))
            line = await session.read_line(session.surroundings.config.max_line_before_login)
            step = step.answered(sasl.decode_line(line))
    except sasl.UnknownMechanism:
        return no(b"Mechanism not offered", b"CANNOT")
    except sasl.SaslError as mistake:
        return bad(str(mistake).encode())
    return await _enter(session, step.response)


async def login(session: Session, tagged: commands.Tagged) -> Reply:
    """LOGIN."""
    command = tagged.command
    assert isinstance(command, commands.Login)
    if not session.connection.secured:
        return _PRIVACY
    try:
        message = b"\0".join((b"", command.name, command.password))
        sasl.parse_plain(message)
    except sasl.SaslError:
        return reply_to(LoginRefused())
    return await _enter(session, message)


async def enable(session: Session, tagged: commands.Tagged) -> Reply:
    """ENABLE. RFC 5161."""
    command = tagged.command
    assert isinstance(command, commands.Enable)
    enabled = sorted(_ENABLED.intersection(command.names))
    session.write(responses.untagged(b"ENABLED", *enabled))
    if enabled:
        session.enable_condstore()
    return Reply()


async def _enter(session: Session, message: bytes) -> Reply:
    around, client = session.surroundings, session.connection.peer
    attempt = LoginAttempt("PLAIN", message, "imap", client, session.connection.secured)
    try:
        login_ = await around.authenticator.authenticate(attempt)
    except LoginError as error:
        around.log.info(f"login refused: client={client} reason={type(error).__name__}", client=client)
        raise
    # an auth service that is not ours may know addresses only
    known = await around.directory.account(login_.account) or await around.directory.login(login_.address)
    if known is None or not known.enabled:
        around.log.info(f"login refused: client={client} reason=account", client=client)
        return reply_to(LoginRefused())
    if around.logins.of(known.id) >= around.config.max_connections_per_account:
        return no(b"Too many connections of this account", b"LIMIT")
    account = await around.store.account(known.id, known.quota_bytes)
    session.enter_account(account, known)
    session.connection.trust()
    around.log.info(
        f"login: account={login_.address} client={client} tls={session.connection.tls_version}",
        client=client,
        ACCOUNT=known.id,
    )
    return Reply(b"OK", b"Logged in", b"CAPABILITY " + session.capabilities())
