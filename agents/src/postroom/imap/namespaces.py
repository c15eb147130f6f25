"""Mailbox names: whose account a name leads to, and NAMESPACE. RFC 2342.

Room rule: every handler that gets a mailbox name from the client asks here, so that a second namespace needs no change
of any of them.
"""

from typing import Final, NamedTuple

from postroom.contracts.account import MailAccount, Mailbox
from postroom.imap.dispatch import CommandHandler
from postroom.imap.refusals import TaggedReply
from postroom.imap.session import ImapSession
from postroom.wire.imap.namespaces import Namespace, personal_only


class Located(NamedTuple):
    """An account, and the mailbox's name in it. The mailbox may not exist."""

    account: MailAccount
    name: str


async def locate(session: ImapSession, name: str) -> Located:
    """Return where the name leads: today always into the account that logged in."""
    return Located(session.own_account, name)


async def every_mailbox(session: ImapSession) -> tuple[Mailbox, ...]:
    """Return the mailboxes of all namespaces, by the names that the client uses."""
    return await session.own_account.mailboxes()


def is_selected(session: ImapSession, located: Located) -> bool:
    """Tell whether this is the selected mailbox."""
    view = session.view
    return view is not None and view.name == located.name and session.selected_account is located.account


async def namespace(session: ImapSession, command: Namespace) -> TaggedReply:
    """Answer NAMESPACE: one personal namespace, no other people's and no shared one."""
    session.write(personal_only())
    return TaggedReply()


HANDLERS: Final = (CommandHandler(Namespace, namespace),)
