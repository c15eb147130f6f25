"""Commands on mailboxes as a whole: CREATE, DELETE, RENAME, SUBSCRIBE. RFC 3501 section 6.3, RFC 6154."""

from typing import Final

from postroom.imap.dispatch import CommandHandler
from postroom.imap.namespaces import is_selected, locate
from postroom.imap.refusals import TaggedReply, no
from postroom.imap.session import ImapSession
from postroom.wire.imap import responses
from postroom.wire.imap.folders import Create, Delete, Rename, Subscribe

# RFC 6154 section 2; \All and \Flagged are views that this store does not have.
SPECIAL_USES: Final = {use.upper(): use for use in ("\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash")}


async def create(session: ImapSession, command: Create) -> TaggedReply:
    """Carry out CREATE, with the special use of RFC 6154."""
    uses = {SPECIAL_USES.get(use.upper()) for use in command.special_uses}
    if None in uses or len(uses) > 1:
        return no(b"Special use not supported", b"USEATTR")
    use = next(iter(uses)) or "" if uses else ""
    account, name = await locate(session, command.mailbox)
    if use and any(mailbox.special_use == use for mailbox in await account.mailboxes()):
        return no(b"Another mailbox has this use", b"USEATTR")
    await account.create(name, use)
    return TaggedReply()


async def delete(session: ImapSession, command: Delete) -> TaggedReply:
    """Carry out DELETE; if the mailbox is selected, the session leaves it."""
    located = await locate(session, command.mailbox)
    await located.account.delete(located.name)
    if is_selected(session, located):
        session.leave_mailbox()
        session.write(responses.status(b"*", b"OK", b"The selected mailbox was deleted", b"CLOSED"))
    return TaggedReply()


async def rename(session: ImapSession, command: Rename) -> TaggedReply:
    """Carry out RENAME."""
    account, old = await locate(session, command.old)
    _, new = await locate(session, command.new)
    await account.rename(old, new)
    view = session.view
    if view is not None and session.selected_account is account and old != "INBOX":
        if view.name == old:
            view.name = new
        elif view.name.startswith(old + "/"):
            view.name = new + view.name[len(old) :]
    return TaggedReply()


async def subscribe(session: ImapSession, command: Subscribe) -> TaggedReply:
    """Carry out SUBSCRIBE and UNSUBSCRIBE. Subscriptions belong to the account that logged in."""
    await session.own_account.subscribe(command.mailbox, command.on)
    return TaggedReply()


HANDLERS: Final = (
    CommandHandler(Create, create),
    CommandHandler(Delete, delete),
    CommandHandler(Rename, rename),
    CommandHandler(Subscribe, subscribe),
)
