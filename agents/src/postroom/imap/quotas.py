"""Quotas: GETQUOTA, GETQUOTAROOT, SETQUOTA. RFC 9208."""

from typing import Final

from postroom.contracts.errors import NoSuchMailbox
from postroom.imap.dispatch import CommandHandler
from postroom.imap.namespaces import locate
from postroom.imap.refusals import TaggedReply, no, reply_to
from postroom.imap.session import ImapSession
from postroom.wire.imap.quotas import GetQuota, GetQuotaRoot, SetQuota, quota_line, quota_root_line


async def get_quota(session: ImapSession, command: GetQuota) -> TaggedReply:
    """Answer GETQUOTA. An account without a limit has no root, since a root names a resource (section 7)."""
    quota = await session.own_account.quota()
    if command.root or not quota.limit:
        return no(b"No such quota root", b"NONEXISTENT")
    session.write(quota_line(quota.used, quota.limit))
    return TaggedReply()


async def get_quota_root(session: ImapSession, command: GetQuotaRoot) -> TaggedReply:
    """Answer GETQUOTAROOT: every mailbox counts towards its account's one root."""
    account, name = await locate(session, command.mailbox)
    if all(mailbox.name != name for mailbox in await account.mailboxes()):
        return reply_to(NoSuchMailbox())
    quota = await account.quota()
    session.write(quota_root_line(command.mailbox, limited=bool(quota.limit)))
    if quota.limit:
        session.write(quota_line(quota.used, quota.limit))
    return TaggedReply()


async def set_quota(session: ImapSession, command: SetQuota) -> TaggedReply:
    """Refuse SETQUOTA: only the operator sets quotas."""
    return no(b"Quotas are set by the operator", b"NOPERM")


HANDLERS: Final = (
    CommandHandler(GetQuota, get_quota),
    CommandHandler(GetQuotaRoot, get_quota_root),
    CommandHandler(SetQuota, set_quota),
)
