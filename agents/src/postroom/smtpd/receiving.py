"""The verbs of a mail transaction: MAIL, RCPT and DATA. RFC 5321 section 3.3."""

from typing import Final

from postroom.contracts.errors import MailError
from postroom.smtpd import sayings as say
from postroom.smtpd.session import SmtpSession, Verb
from postroom.smtpd.stream import ConnectionEnd, Receiving
from postroom.smtpd.transaction import Transaction
from postroom.wire.smtp import commands
from postroom.wire.smtp.answers import answer
from postroom.wire.smtp.data import DataScanner, Flaw
from postroom.wire.smtp.replies import Reply


async def mail(session: SmtpSession, argument: str) -> Reply:
    """Begin a transaction."""
    around, client = session.surroundings, session.client
    if not client.helo:
        return say.NEED_HELO
    if around.manner.login and not client.login:
        return say.NEED_AUTH if client.secured else say.NEED_TLS
    command = commands.parse_mail(argument, around.offer(client).mail)
    if refusal := session.transaction.may_begin(command):
        return refusal
    await around.reception.sender(client, command)
    session.transaction.begin(command)
    return say.SENDER_OK


async def rcpt(session: SmtpSession, argument: str) -> Reply:
    """Add a recipient."""
    around, client, transaction = session.surroundings, session.client, session.transaction
    if refusal := transaction.may_add():
        return refusal
    recipient = commands.parse_rcpt(argument, around.offer(client).rcpt)
    try:
        queued = await around.reception.recipient(client, transaction, recipient)
    except MailError:
        transaction.refused += 1
        raise
    transaction.add(recipient, queued)
    return say.RECIPIENT_OK


async def data(session: SmtpSession, argument: str) -> Reply:
    """Receive the message. Whatever comes of it ends the transaction."""
    transaction = session.transaction
    if refusal := transaction.may_send():
        return refusal
    if argument:
        return commands.SYNTAX
    try:
        return await _receive(session, transaction)
    except MailError as error:
        # The transaction is reset next, so log its sender and recipients now.
        reply = answer(error)
        session.surroundings.refused(session.client, transaction, b"DATA", reply, error)
        return reply
    finally:
        transaction.reset()


async def _receive(session: SmtpSession, transaction: Transaction) -> Reply:
    around = session.surroundings
    draft = around.reception.draft()
    try:
        scanner = DataScanner(allow_bare=around.manner.local)
        session.say(say.GO_AHEAD.octets)
        receiving = Receiving(scanner, draft, transaction.limit, session.loop.time())
        await session.receive(receiving)
        if receiving.draft is None:
            return _unusable(session, receiving)
        reply = await around.reception.message(session.client, transaction, draft)
    finally:
        draft.discard()
    session.commands = session.errors = 0  # limits are for those who deliver nothing
    return reply


def _unusable(session: SmtpSession, receiving: Receiving) -> Reply:
    flaw = receiving.scanner.flaw
    if flaw is not None:
        reply = say.FLAWS[flaw]
    elif receiving.error is not None:
        reply = answer(receiving.error)
    else:
        reply = say.TOO_LARGE
    session.surroundings.refused(session.client, session.transaction, b"DATA", reply, receiving.error)
    if flaw is Flaw.BARE_CR_OR_LF:
        raise ConnectionEnd(reply.octets)
    return reply


VERBS: Final[dict[str, Verb]] = {"MAIL": mail, "RCPT": rcpt, "DATA": data}
