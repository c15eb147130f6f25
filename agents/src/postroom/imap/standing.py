"""Whether a session's account may still be used: login, later checks, end."""

from typing import Final

from postroom.contracts.account import MailAccount
from postroom.contracts.directory import Account
from postroom.contracts.errors import Unavailable
from postroom.imap.refusals import Bye
from postroom.imap.session import ImapSession
from postroom.wire.imap.commands import State

CHECK_SECONDS: Final = 30.0  # between two looks into the directory


def enter_account(session: ImapSession, account: MailAccount, known: Account) -> None:
    """Open the account after its owner has logged in; `known` is what the directory says of it."""
    session.account = account
    session.account_id = session.log.account = known.id
    session.check_account_at = session.context.clock.steady() + CHECK_SECONDS
    session.state = State.AUTHENTICATED
    session.input.enter_account(known.id)
    session.context.logins.enter(known.id)


async def check(session: ImapSession) -> None:
    """Look from time to time whether the account is still enabled. Raises Bye when it has been disabled."""
    context = session.context
    now = context.clock.steady()
    if session.account is None or now < session.check_account_at:
        return
    session.check_account_at = now + CHECK_SECONDS
    try:
        known = await context.directory.account(session.account_id)
    except Unavailable:  # an open session goes on while the directory cannot be read
        return
    if known is None or not known.enabled:
        raise Bye("Account is disabled")


def leave_account(session: ImapSession) -> None:
    """Close the account at the end of the session."""
    session.leave_mailbox()
    if session.account is not None:
        session.account = None
        session.context.logins.leave(session.account_id)
    session.state = State.LOGOUT
