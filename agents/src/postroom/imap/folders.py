"""Commands on mailboxes as a whole. RFC 3501 section 6.3, RFC 2342, 3691, 4315, 5819, 6154 and 9208."""

import re
from typing import Final

from postroom.contracts.account import NewMessage, Quota, Status
from postroom.contracts.errors import MailboxNotSelectable, NoSuchMailbox
from postroom.imap import listings
from postroom.imap.refusals import Reply, no, reply_to
from postroom.imap.session import Session
from postroom.imap.view import View
from postroom.mail.flags import DELETED
from postroom.wire.imap import commands, responses

# RFC 6154 section 2; \All and \Flagged are views that this store does not have.
SPECIAL_USES: Final = {use.upper(): use for use in ("\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash")}
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_ROOT: Final = b'""'  # the account's one quota root
_COUNTS: Final = {
    b"MESSAGES": "messages",
    b"RECENT": "recent",
    b"UIDNEXT": "uidnext",
    b"UIDVALIDITY": "uidvalidity",
    b"UNSEEN": "unseen",
    b"HIGHESTMODSEQ": "highestmodseq",
}


async def namespace(session: Session, tagged: commands.Tagged) -> Reply:
    """NAMESPACE: one personal namespace, nobody else's."""
    session.write(responses.untagged(b"NAMESPACE", b'(("" "/"))', b"NIL", b"NIL"))
    return Reply()


async def select(session: Session, tagged: commands.Tagged) -> Reply:
    """SELECT and EXAMINE; whatever happens, the mailbox selected before is closed (RFC 3501 section 6.3.1)."""
    command = tagged.command
    assert isinstance(command, commands.Select)
    session.leave_mailbox()
    if command.condstore:
        session.enable_condstore()
    selected = await session.opened.select(command.mailbox, command.writable)
    view = View(selected, command.writable)
    session.enter_mailbox(view)
    status = selected.status
    session.write(view.flags_line())
    session.write(b"* %d EXISTS\r\n* %d RECENT\r\n" % (len(view.uids), len(view.recent)))
    if number := view.number(selected.first_unseen):
        session.write(responses.status(b"*", b"OK", b"First unseen", b"UNSEEN %d" % number))
    for text, code in (
        (b"UIDs valid", b"UIDVALIDITY %d" % status.uidvalidity),
        (b"Next UID", b"UIDNEXT %d" % status.uidnext),
        (b"Flags that stay", b"PERMANENTFLAGS " + view.permanent_flags()),
        (b"Highest", b"HIGHESTMODSEQ %d" % max(status.highestmodseq, 1)),
    ):
        session.write(responses.status(b"*", b"OK", text, code))
    return Reply(b"OK", tagged.verb + b" completed", b"READ-WRITE" if command.writable else b"READ-ONLY")


async def create(session: Session, tagged: commands.Tagged) -> Reply:
    """CREATE, with RFC 6154's use."""
    command = tagged.command
    assert isinstance(command, commands.Create)
    uses = {SPECIAL_USES.get(use.upper()) for use in command.special_uses}
    if None in uses or len(uses) > 1:
        return no(b"Special use not supported", b"USEATTR")
    use = next(iter(uses)) or "" if uses else ""
    if use and any(mailbox.special_use == use for mailbox in await session.opened.mailboxes()):
        return no(b"Another mailbox has this use", b"USEATTR")
    await session.opened.create(command.mailbox, use)
    return Reply()


async def delete(session: Session, tagged: commands.Tagged) -> Reply:
    """DELETE; our own selected mailbox is left first."""
    command = tagged.command
    assert isinstance(command, commands.Delete)
    await session.opened.delete(command.mailbox)
    if session.view is not None and session.view.name == command.mailbox:
        session.leave_mailbox()
        session.write(responses.status(b"*", b"OK", b"The selected mailbox was deleted", b"CLOSED"))
    return Reply()


async def rename(session: Session, tagged: commands.Tagged) -> Reply:
    """RENAME."""
    command = tagged.command
    assert isinstance(command, commands.Rename)
    await session.opened.rename(command.old, command.new)
    view = session.view
    if view is not None and command.old != "INBOX":
        if view.name == command.old:
            view.name = command.new
        elif view.name.startswith(command.old + "/"):
            view.name = command.new + view.name[len(command.old) :]
    return Reply()


async def subscribe(session: Session, tagged: commands.Tagged) -> Reply:
    """SUBSCRIBE and UNSUBSCRIBE."""
    command = tagged.command
    assert isinstance(command, commands.Subscribe)
    await session.opened.subscribe(command.mailbox, command.on)
    return Reply()


async def list_(session: Session, tagged: commands.Tagged) -> Reply:
    """LIST."""
    command = tagged.command
    assert isinstance(command, commands.List)
    if command.patterns == ("",) and not command.extended:
        # Asks for the delimiter and the root of the reference alone (RFC 3501 section 6.3.8).
        session.write(responses.list_line(b"LIST", (b"\\Noselect",), ""))
        return Reply()
    mailboxes = await session.opened.mailboxes()
    subscriptions = await session.opened.subscriptions()
    for place, listed in enumerate(listings.list_names(command, mailboxes, subscriptions)):
        session.write(listed.line)
        if command.status and listed.selectable:
            await _write_status(session, listed.name, command.status)
        if place % 500 == 499:
            await session.flush()
    return Reply()


async def lsub(session: Session, tagged: commands.Tagged) -> Reply:
    """LSUB."""
    command = tagged.command
    assert isinstance(command, commands.Lsub)
    session.write(b"".join(listings.lsub_names(command, await session.opened.subscriptions())))
    return Reply()


async def status(session: Session, tagged: commands.Tagged) -> Reply:
    """STATUS."""
    command = tagged.command
    assert isinstance(command, commands.StatusOf)
    if b"HIGHESTMODSEQ" in command.items:
        session.enable_condstore()
    await _write_status(session, command.mailbox, command.items, missing_ok=False)
    return Reply()


async def _write_status(
    session: Session, name: str, items: tuple[bytes, ...], *, missing_ok: bool = True
) -> None:
    try:
        found = await session.opened.status(name)
    except (NoSuchMailbox, MailboxNotSelectable):
        if missing_ok:  # deleted while LIST was being answered (RFC 5819 section 2)
            return
        raise
    values = [b"%b %d" % (item, await _value(session, name, item, found)) for item in items]
    session.write(responses.untagged(b"STATUS", responses.mailbox(name), b"(" + b" ".join(values) + b")"))


async def _value(session: Session, name: str, item: bytes, found: Status) -> int:
    if item in _COUNTS:
        number: int = getattr(found, _COUNTS[item])
        return number
    if not found.deleted:  # DELETED-STORAGE
        return 0
    number_of = {mailbox.name: mailbox.id for mailbox in await session.opened.mailboxes()}
    rows = await session.opened.rows(number_of[name])
    return sum(row.size for row in rows if DELETED in row.flags)


async def append(session: Session, tagged: commands.Tagged) -> Reply:
    """APPEND; lines that end with LF alone are mended, since parts could not be found in them."""
    command = tagged.command
    assert isinstance(command, commands.Append)
    content = command.message
    if content.count(b"\n") != content.count(b"\r\n"):
        content = _BARE_LF.sub(b"\r\n", content)
    try:
        done = await session.opened.append(
            command.mailbox, (NewMessage(content, command.flags, command.date),)
        )
    except NoSuchMailbox:
        return no(b"No such mailbox", b"TRYCREATE")
    if session.view is not None and session.view.name == command.mailbox:
        session.note_news()
    return Reply(code=b"APPENDUID %d %d" % (done.uidvalidity, done.uids[0]))


async def close(session: Session, tagged: commands.Tagged) -> Reply:
    """CLOSE: expunges without telling."""
    view = session.selected
    if view.writable:
        await session.opened.expunge(view.id)
    session.leave_mailbox()
    return Reply()


async def unselect(session: Session, tagged: commands.Tagged) -> Reply:
    """UNSELECT. RFC 3691."""
    session.leave_mailbox()
    return Reply()


async def get_quota(session: Session, tagged: commands.Tagged) -> Reply:
    """GETQUOTA. An account without a limit has no root: a root names a resource (RFC 9208 section 7)."""
    command = tagged.command
    assert isinstance(command, commands.GetQuota)
    quota = await session.opened.quota()
    if command.root or not quota.limit:
        return no(b"No such quota root", b"NONEXISTENT")
    session.write(_quota_line(quota))
    return Reply()


async def get_quota_root(session: Session, tagged: commands.Tagged) -> Reply:
    """GETQUOTAROOT: every mailbox counts towards the account's one root."""
    command = tagged.command
    assert isinstance(command, commands.GetQuotaRoot)
    if all(mailbox.name != command.mailbox for mailbox in await session.opened.mailboxes()):
        return reply_to(NoSuchMailbox())
    quota = await session.opened.quota()
    roots = (_ROOT,) if quota.limit else ()
    session.write(responses.untagged(b"QUOTAROOT", responses.mailbox(command.mailbox), *roots))
    if quota.limit:
        session.write(_quota_line(quota))
    return Reply()


async def set_quota(session: Session, tagged: commands.Tagged) -> Reply:
    """SETQUOTA: quotas are the operator's."""
    return no(b"Quotas are set by the operator", b"NOPERM")


def _quota_line(quota: Quota) -> bytes:
    # STORAGE counts units of 1024 octets (RFC 9208 section 5.1).
    return responses.untagged(
        b"QUOTA", _ROOT, b"(STORAGE %d %d)" % (-(-quota.used // 1024), quota.limit // 1024)
    )
