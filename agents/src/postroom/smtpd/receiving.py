"""The verbs of a mail transaction: MAIL, RCPT and DATA. RFC 5321 section 3.3."""

from typing import Final

from postroom.contracts.errors import MailError
from postroom.smtpd import replies
from postroom.smtpd.session import SmtpSession, Verb
from postroom.smtpd.stream import ConnectionEnd, Receiving
from postroom.smtpd.transaction import Transaction
from postroom.wire.smtp import commands
from postroom.wire.smtp.answers import answer
from postroom.wire.smtp.data import DataScanner, Flaw
from postroom.wire.smtp.replies import Reply


async def mail(session: SmtpSession, argument: str) -> Reply:
    """Begin a transaction."""
    context, client = session.context, session.client
    if not client.helo:
        return replies.NEED_HELO
    if context.listener.login and not client.login:
        return replies.NEED_AUTH if client.secured else replies.NEED_TLS
    command = commands.parse_mail(argument, context.offer(client).mail)
    if refusal := session.transaction.may_begin(command):
        return refusal
    await context.reception.sender(client, command)
    session.transaction.begin(command)
    return replies.SENDER_OK


async def rcpt(session: SmtpSession, argument: str) -> Reply:
    """Add a recipient."""
    context, client, transaction = session.context, session.client, session.transaction
    if refusal := transaction.may_add():
        return refusal
    recipient = commands.parse_rcpt(argument, context.offer(client).rcpt)
    try:
        queued = await context.reception.recipient(client, transaction, recipient)
    except MailError:
        transaction.refused += 1
        raise
    transaction.add(recipient, queued)
    return replies.RECIPIENT_OK


async def data(session: SmtpSession, argument: str) -> Reply:
    """Receive the message. The transaction ends whether this succeeds or fails."""
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
        session.context.log_refusal(session.client, transaction, b"DATA", reply, error)
        return reply
    finally:
        transaction.reset()


async def _receive(session: SmtpSession, transaction: Transaction) -> Reply:
    context = session.context
    draft = context.reception.draft()
    try:
        scanner = DataScanner(allow_bare=context.listener.local)
        session.write(replies.GO_AHEAD.octets)
        receiving = Receiving(scanner, draft, transaction.limit, session.loop.time())
        await session.receive(receiving)
        if receiving.draft is None:
            return _unusable(session, receiving)
        reply = await context.reception.message(session.client, transaction, draft)
    finally:
        draft.discard()
    session.commands = session.errors = 0  # the limits are for clients that deliver nothing
    return reply


def _unusable(session: SmtpSession, receiving: Receiving) -> Reply:
    flaw = receiving.scanner.flaw
    if flaw is not None:
        reply = replies.FLAWS[flaw]
    elif receiving.error is not None:
        reply = answer(receiving.error)
    else:
        reply = replies.TOO_LARGE
    session.context.log_refusal(session.client, session.transaction, b"DATA", reply, receiving.error)
    if flaw is Flaw.BARE_CR_OR_LF:
        raise ConnectionEnd(reply.octets)
    return reply


VERBS: Final[dict[str, Verb]] = {"MAIL": mail, "RCPT": rcpt, "DATA": data}
