"""Quotas: GETQUOTA, GETQUOTAROOT, SETQUOTA. RFC 9208."""

from typing import Final

from postroom.contracts.account import Quota
from postroom.contracts.errors import NoSuchMailbox
from postroom.imap.dispatch import CommandHandler
from postroom.imap.namespaces import locate
from postroom.imap.refusals import Reply, no, reply_to
from postroom.imap.session import ImapSession
from postroom.wire.imap import commands, responses

_ROOT: Final = b'""'  # the account's one quota root


async def get_quota(session: ImapSession, command: commands.GetQuota) -> Reply:
    """Answer GETQUOTA. An account without a limit has no root, since a root names a resource (section 7)."""
    quota = await session.own_account.quota()
    if command.root or not quota.limit:
        return no(b"No such quota root", b"NONEXISTENT")
    session.write(_quota_line(quota))
    return Reply()


async def get_quota_root(session: ImapSession, command: commands.GetQuotaRoot) -> Reply:
    """Answer GETQUOTAROOT: every mailbox counts towards its account's one root."""
    account, name = await locate(session, command.mailbox)
    if all(mailbox.name != name for mailbox in await account.mailboxes()):
        return reply_to(NoSuchMailbox())
    quota = await account.quota()
    roots = (_ROOT,) if quota.limit else ()
    session.write(responses.untagged(b"QUOTAROOT", responses.mailbox(command.mailbox), *roots))
    if quota.limit:
        session.write(_quota_line(quota))
    return Reply()


async def set_quota(session: ImapSession, command: commands.SetQuota) -> Reply:
    """Refuse SETQUOTA: only the operator sets quotas."""
    return no(b"Quotas are set by the operator", b"NOPERM")


def _quota_line(quota: Quota) -> bytes:
    # STORAGE counts units of 1024 octets (RFC 9208 section 5.1).
    return responses.untagged(
        b"QUOTA", _ROOT, b"(STORAGE %d %d)" % (-(-quota.used // 1024), quota.limit // 1024)
    )


HANDLERS: Final = (
    CommandHandler(commands.GetQuota, get_quota),
    CommandHandler(commands.GetQuotaRoot, get_quota_root),
    CommandHandler(commands.SetQuota, set_quota),
)
