"""The way in and out: USER, PASS, AUTH, STLS, CAPA, QUIT. RFC 1939, RFC 2449, RFC 2595, RFC 5034."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from postroom.contracts.errors import MailError
from postroom.entrance.exchange import exchange, password_message
from postroom.pop3.session import Handler, Pop3Session
from postroom.runtime.connections import PeerInjected
from postroom.wire import sasl
from postroom.wire.pop3 import answers
from postroom.wire.pop3.commands import PeerError, State


async def _user(session: Pop3Session, arguments: tuple[bytes, ...]) -> bytes:
    _require_tls(session)
    session.user_name = arguments[0]
    return answers.ok("send PASS")


async def _pass(session: Pop3Session, arguments: tuple[bytes, ...]) -> bytes:
    _require_tls(session)
    if not session.user_name:
        raise PeerError("send USER first")
    name, session.user_name = session.user_name, b""
    return await _log_in(session, password_message(name, arguments[0]))


async def _auth(session: Pop3Session, arguments: tuple[bytes, ...]) -> bytes:
    _require_tls(session)
    if not arguments:  # some clients ask for the list of mechanisms in this way
        return answers.listing("", sasl.MECHANISMS)
    initial = arguments[1] if len(arguments) == 2 else None
    finished = await exchange(arguments[0].decode("ascii", "replace"), initial, partial(_ask, session))
    return await _log_in(session, finished.response)


async def _ask(session: Pop3Session, challenge: bytes) -> bytes:
    """Send a SASL challenge, and return the client's next line.

    Raises ConnectionError, TimeoutError, LineTooLong.
    """
    session.connection.write(answers.challenge(challenge))
    while (line := session.parser.next_response()) is None:
        octets = await session.read()
        if not octets:
            raise ConnectionResetError("peer left in the middle of AUTH")
        session.parser.feed(octets)
    return line


def _require_tls(session: Pop3Session) -> None:
    if not session.parser.secured:
        raise PeerError("start TLS first")


async def _log_in(session: Pop3Session, response: bytes) -> bytes:
    connection, entrance = session.connection, session.context.entrance
    session.account_id = ""
    _, account = await entrance.admit(response, connection.peer, secured=True, session=f"{id(session):x}")
    session.account_id = account.id  # later failures are logged with it
    session.enter(await entrance.open(account))
    session.context.log.info(
        f"login: {session.who} tls={connection.tls_version}",
        client=connection.peer,
        ACCOUNT=session.account_id,
    )
    count, size = session.maildrop.count_and_size()
    return answers.ok(f"maildrop has {count} messages ({size} octets)")


async def _stls(session: Pop3Session, _: tuple[bytes, ...]) -> bytes:
    if session.parser.secured:
        raise PeerError("TLS is active already")
    if session.parser.pipelined:
        raise PeerInjected
    session.connection.write(answers.ok("begin TLS"))
    await session.connection.start_tls(session.context.tls())
    session.parser.tls_started()
    session.user_name = b""
    return b""


async def _capa(session: Pop3Session, _: tuple[bytes, ...]) -> bytes:
    logged_in = session.parser.state is State.TRANSACTION
    return answers.listing("capabilities", answers.capabilities(session.parser.secured, logged_in, True))


async def _quit(session: Pop3Session, _: tuple[bytes, ...]) -> bytes:
    session.over = True
    if not session.has_maildrop:
        return answers.ok("bye")
    try:
        await session.maildrop.update()
    except MailError as error:
        client = session.connection.peer
        session.context.log.warning(f"QUIT failed: {session.who} {error}", client=client)
        return answers.err("[SYS/TEMP] some deleted messages were not removed")
    return answers.ok("bye")


HANDLERS: Final[Mapping[str, Handler]] = {
    "USER": _user, "PASS": _pass, "AUTH": _auth, "STLS": _stls, "CAPA": _capa, "QUIT": _quit,
}  # fmt: skip
