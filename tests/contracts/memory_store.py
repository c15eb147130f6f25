"""The mailbox contract in memory: so that what the contract says is more than what SQLite does."""

import asyncio
import itertools
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
from postroom.contracts import errors
from postroom.contracts.account import (
    MOST_KEYWORDS,
    Appended,
    Changes,
    Content,
    Copied,
    Detail,
    FlagMode,
    Mailbox,
    NewMessage,
    Piece,
    Quota,
    Row,
    Selected,
    Status,
    Stored,
)
from postroom.contracts.clock import Clock
from postroom.contracts.search import Found, Key
from postroom.contracts.store import Copy, Delivery, Quotas
from postroom.mail.dates import clamped
from postroom.mail.flags import DELETED, SEEN, keywords
from postroom.mail.mime_scan import scan
from postroom.store import Notices
from postroom.store.names import account_folder, mailbox_name, parents
from postroom.store.sqlite.engine import NoQuotas

from .memory_box import Box

FIRST = {
    "INBOX": "",
    "Archive": "\\Archive",
    "Drafts": "\\Drafts",
    "Junk": "\\Junk",
    "Sent": "\\Sent",
    "Trash": "\\Trash",
}


class MemoryAccount:
    """One account; `told` is called after each change."""

    def __init__(self, limit: Callable[[], Awaitable[int]], clock: Clock, told: Callable[[], None]) -> None:
        self.limit = limit
        self.clock = clock
        self.told = told
        self.boxes: dict[str, Box] = {}
        self.subscribed = set(FIRST)
        self.locked = False
        self.being_read: dict[tuple[int, int], bytes] = {}
        self.delivered: set[tuple[str, str]] = set()
        self.numbers = itertools.count(1)
        self.modseqs = itertools.count(1)
        self.content_ids = itertools.count(1)
        for name, use in FIRST.items():
            self._make(name, use)

    def _make(self, name: str, use: str = "") -> Box:
        number = next(self.numbers)
        box = self.boxes[name] = Box(number, name, number, use, modseq=next(self.modseqs))
        return box

    def _box(self, name: str) -> Box:
        try:
            box = self.boxes.get(mailbox_name(name))
        except errors.MailboxNameInvalid:
            box = None
        if box is None:
            raise errors.NoSuchMailbox
        if not box.selectable:
            raise errors.MailboxNotSelectable
        return box

    def _by_id(self, mailbox: int) -> Box:
        for box in self.boxes.values():
            if box.id == mailbox and box.selectable:
                return box
        raise errors.NoSuchMailbox

    def _used(self) -> int:
        return sum(row.size for box in self.boxes.values() for row in box.rows.values())

    async def _demand(self, octets: int) -> None:
        limit = await self.limit()
        if limit and self._used() + octets > limit:
            raise errors.QuotaExceeded

    def _put(
        self,
        box: Box,
        content: bytes,
        flags: frozenset[str],
        date: int | None,
        modseq: int,
        content_id: int = 0,
    ) -> int:
        flags = box.spelled(flags)
        box.learn(flags, box.rows.values())
        uid, box.uidnext = box.uidnext, box.uidnext + 1
        when = clamped(int(self.clock.now()) if date is None else date)
        box.rows[uid] = Row(uid, flags, modseq, when, len(content), content_id or next(self.content_ids))
        box.contents[uid] = content
        box.modseq = modseq
        return uid

    def _drop(self, box: Box, uids: Sequence[int]) -> None:
        box.modseq = next(self.modseqs)
        for uid in uids:
            del box.rows[uid], box.contents[uid]
            box.gone[uid] = box.modseq

    def _mailbox(self, box: Box) -> Mailbox:
        return Mailbox(
            box.id, box.name, box.uidvalidity, box.special_use, box.name in self.subscribed, box.selectable
        )

    async def mailboxes(self) -> tuple[Mailbox, ...]:
        ordered = sorted(self.boxes.values(), key=lambda box: (box.name != "INBOX", box.name))
        return tuple(map(self._mailbox, ordered))

    async def subscriptions(self) -> frozenset[str]:
        return frozenset(self.subscribed)

    async def create(self, name: str, special_use: str = "") -> Mailbox:
        name = mailbox_name(name.removesuffix("/"))
        box = self.boxes.get(name)
        if box is not None and box.selectable:
            raise errors.MailboxExists
        for parent in parents(name):
            if parent not in self.boxes:
                self._make(parent)
        made = self._make(name, special_use)
        self.told()
        return self._mailbox(made)

    def _children(self, name: str) -> list[str]:
        return [other for other in self.boxes if other.startswith(name + "/")]

    async def delete(self, name: str) -> None:
        name = mailbox_name(name)
        box = self.boxes.get(name)
        if box is None:
            raise errors.NoSuchMailbox
        children = self._children(name)
        if name == "INBOX" or (children and not box.selectable):
            raise errors.MailboxNotDeletable
        del self.boxes[name]
        if children:
            self._make(name).selectable = False
        self.told()

    async def rename(self, old: str, new: str) -> None:
        old, new = mailbox_name(old), mailbox_name(new)
        if old not in self.boxes:
            raise errors.NoSuchMailbox
        if new in self.boxes:
            raise errors.MailboxExists
        if new.startswith(old + "/") and old != "INBOX":
            raise errors.MailboxNameInvalid
        for parent in parents(new):
            if parent not in self.boxes:
                self._make(parent)
        if old == "INBOX":
            self._transfer(self.boxes["INBOX"], list(self.boxes["INBOX"].rows), self._make(new), move=True)
        else:
            for name in [old, *self._children(old)]:
                box = self.boxes.pop(name)
                box.name = new + name[len(old) :]
                self.boxes[box.name] = box
        self.told()

    async def subscribe(self, name: str, on: bool) -> None:
        (self.subscribed.add if on else self.subscribed.discard)(mailbox_name(name))

    def _status(self, box: Box) -> Status:
        rows = box.rows.values()
        return Status(
            len(rows),
            len(box.recent),
            sum(SEEN not in row.flags for row in rows),
            sum(DELETED in row.flags for row in rows),
            sum(row.size for row in rows),
            box.uidnext,
            box.uidvalidity,
            box.modseq,
        )

    async def status(self, name: str) -> Status:
        return self._status(self._box(name))

    async def statuses(self, names: Sequence[str]) -> dict[str, Status]:
        known = {name: self.boxes.get(name) for name in names}
        return {name: self._status(box) for name, box in known.items() if box and box.selectable}

    async def select(self, name: str, writable: bool) -> Selected:
        box = self._box(name)
        status = self._status(box)
        unseen = next((row.uid for row in box.rows.values() if SEEN not in row.flags), 0)
        return Selected(
            self._mailbox(box),
            status,
            array("I", box.rows),
            box.claim(writable),
            unseen,
            tuple(sorted(box.keywords)),
        )

    async def changes(self, mailbox: int, since: int, writable: bool) -> Changes:
        box = self._by_id(mailbox)
        recent = box.claim(writable)
        rows = tuple(row for row in box.rows.values() if row.modseq > since)
        gone = tuple(sorted(uid for uid, modseq in box.gone.items() if modseq > since))
        new = frozenset(row.uid for row in rows) & recent
        return Changes(rows, gone, new, box.modseq, box.uidnext, tuple(box.keywords))

    async def rows(
        self, mailbox: int, uids: Sequence[int] | None = None, changed_since: int = 0
    ) -> tuple[Row, ...]:
        found = self._chosen(self._by_id(mailbox), uids)
        return tuple(row for row in found if row.modseq > changed_since)

    def _chosen(self, box: Box, uids: Sequence[int] | None) -> list[Row]:
        wanted = None if uids is None else set(uids)
        return [row for row in box.rows.values() if wanted is None or row.uid in wanted]

    async def details(self, mailbox: int, uids: Sequence[int]) -> tuple[Detail, ...]:
        box = self._by_id(mailbox)
        return tuple(Detail(row.uid, *scan(box.contents[row.uid])) for row in self._chosen(box, uids))

    async def content(self, mailbox: int, uid: int) -> bytes:
        box = self._by_id(mailbox)
        if uid not in box.contents:
            raise errors.MessageGone
        return box.contents[uid]

    async def head(self, mailbox: int, uid: int, octets: int) -> bytes:
        return (await self.content(mailbox, uid))[:octets]

    async def contents(self, mailbox: int, uids: Sequence[int], octets: int) -> tuple[Content, ...]:
        found: list[Content] = []
        for uid in uids:
            try:
                content = await self.content(mailbox, uid)
            except errors.MessageGone as error:
                found.append(Content(uid, error=error))
                continue
            octets -= len(content)
            if octets < 0 and found:
                break
            found.append(Content(uid, content))
        return tuple(found)

    async def heads(self, mailbox: int, uids: Sequence[int], octets: int) -> tuple[Content, ...]:
        read = await self.contents(mailbox, uids, 1 << 40)
        return tuple(Content(one.uid, one.octets[:octets], one.error) for one in read)

    async def _whole(self, content: bytes | tuple[Piece, ...]) -> bytes:
        if isinstance(content, bytes):
            return content
        return b"".join(
            [
                one
                if isinstance(one, bytes)
                else (await self.content(one.mailbox, one.uid))[one.start : one.end]
                for one in content
            ]
        )

    async def search(self, mailbox: int, key: Key, uids: Sequence[int]) -> Found:
        """Without an index: everything is left to the caller."""
        left = tuple(row.uid for row in self._chosen(self._by_id(mailbox), uids))
        return Found((), left, tuple(sorted(set(uids).difference(left))))

    async def piece(self, mailbox: int, uid: int, start: int, end: int) -> bytes:
        begun = (mailbox, uid)
        content = self.being_read.pop(begun, None) or await self.content(mailbox, uid)
        if end < len(content):
            self.being_read[begun] = content
        return content[start:end]

    async def append(self, name: str, messages: Sequence[NewMessage]) -> Appended:
        box = self._box(name)
        contents = [await self._whole(message.content) for message in messages]
        await self._demand(sum(map(len, contents)))
        modseq = next(self.modseqs)
        uids = [
            self._put(box, content, message.flags, message.internal_date, modseq)
            for message, content in zip(messages, contents, strict=True)
        ]
        self.told()
        return Appended(box.uidvalidity, tuple(uids))

    async def store(
        self,
        mailbox: int,
        uids: Sequence[int],
        mode: FlagMode,
        flags: frozenset[str],
        unchanged_since: int | None = None,
    ) -> Stored:
        box = self._by_id(mailbox)
        flags = box.spelled(flags)
        held: list[int] = []
        done: list[int] = []
        changed: list[Row] = []
        before: list[int] = []
        for row in self._chosen(box, uids):
            if unchanged_since is not None and row.modseq > unchanged_since:
                held.append(row.uid)
                continue
            done.append(row.uid)
            before.append(row.modseq)
            after = {
                FlagMode.REPLACE: flags,
                FlagMode.ADD: row.flags | flags,
                FlagMode.REMOVE: row.flags - flags,
            }[mode]
            if after != row.flags:
                changed.append(msgspec.structs.replace(row, flags=after))
        if changed:
            modseq = next(self.modseqs)
            rows = box.rows | {row.uid: msgspec.structs.replace(row, modseq=modseq) for row in changed}
            if mode is not FlagMode.REMOVE:
                box.learn(flags, rows.values())
            box.modseq, box.rows = modseq, rows
            self.told()
        rows_now = tuple(box.rows[uid] for uid in done)
        return Stored(rows_now, tuple(held), tuple(before), tuple(box.keywords))

    async def expunge(self, mailbox: int, uids: Sequence[int] | None = None) -> tuple[int, ...]:
        box = self._by_id(mailbox)
        found = tuple(row.uid for row in self._chosen(box, uids) if DELETED in row.flags)
        if found:
            self._drop(box, found)
            self.told()
        return found

    def _transfer(self, box: Box, uids: Sequence[int], target: Box, *, move: bool) -> Copied:
        rows, modseq = self._chosen(box, uids), next(self.modseqs)
        targets = [
            self._put(target, box.contents[row.uid], row.flags, row.internal_date, modseq, row.content_id)
            for row in rows
        ]
        sources = tuple(row.uid for row in rows)
        if move and sources:
            self._drop(box, sources)
        self.told()
        return Copied(target.uidvalidity, sources, tuple(targets))

    async def copy(self, mailbox: int, uids: Sequence[int], target: str) -> Copied:
        box, goal = self._by_id(mailbox), self._box(target)
        await self._demand(sum(row.size for row in self._chosen(box, uids)))
        return self._transfer(box, uids, goal, move=False)

    async def move(self, mailbox: int, uids: Sequence[int], target: str) -> Copied:
        return self._transfer(self._by_id(mailbox), uids, self._box(target), move=True)

    async def quota(self) -> Quota:
        return Quota(self._used(), await self.limit(), sum(len(box.rows) for box in self.boxes.values()))

    @asynccontextmanager
    async def maildrop(self) -> AsyncIterator[None]:
        if self.locked:
            raise errors.MailboxInUse
        self.locked = True
        try:
            yield
        finally:
            self.locked = False

    async def deliver(self, item: Delivery) -> Exception | None:
        """One delivery; the refusal is returned."""
        if (item.queue_id, item.recipient) in self.delivered:
            return None
        targets: dict[str, frozenset[str]] = {}
        for copy in item.copies:
            name = self._target(copy)
            targets[name] = targets.get(name, frozenset()) | copy.flags
        content = item.prefix + item.content
        try:
            await self._demand(len(content) * len(targets))
        except errors.QuotaExceeded:
            return errors.RecipientOverQuota()
        self.delivered.add((item.queue_id, item.recipient))
        modseq, content_id = next(self.modseqs), next(self.content_ids)
        for name, wanted in targets.items():
            box = self._made(name)
            flags = box.spelled(wanted)
            if len(box.keywords.union(keywords(flags))) > MOST_KEYWORDS:
                flags = flags.difference(set(keywords(flags)) - box.keywords)
            self._put(box, content, flags, item.arrived, modseq, content_id)
        self.told()
        return None

    def _target(self, copy: Copy) -> str:
        try:
            name = mailbox_name(copy.mailbox)
        except errors.MailboxNameInvalid:
            return "INBOX"
        box = self.boxes.get(name)
        return name if copy.create or (box is not None and box.selectable) else "INBOX"

    def _made(self, name: str) -> Box:
        box = self.boxes.get(name)
        if box is not None and box.selectable:
            return box
        for parent in parents(name):
            if parent not in self.boxes:
                self._make(parent)
        return self._make(name)


class MemoryStore:
    """All accounts, as long as the process lives."""

    def __init__(
        self, _: str, notices: Notices, clock: Clock, *, quotas: Quotas | None = None, **_options: object
    ) -> None:
        self._notices = notices
        self._clock = clock
        self._quotas = quotas or NoQuotas()
        self._accounts: dict[str, MemoryAccount] = {}
        self._watching: dict[str, set[Callable[[], None]]] = {}

    def _account(self, account_id: str) -> MemoryAccount:
        account_folder(account_id)
        if account_id not in self._accounts:
            self._accounts[account_id] = MemoryAccount(
                lambda: self._quotas.limit(account_id), self._clock, lambda: self._tell(account_id)
            )
        return self._accounts[account_id]

    def _tell(self, account_id: str) -> None:
        self._notices.send(account_id)
        for callback in tuple(self._watching.get(account_id, ())):
            asyncio.get_running_loop().call_soon(callback)

    async def account(self, account_id: str, person: str) -> MemoryAccount:
        """The account, made when new."""
        return self._account(account_id)

    async def deliver(self, deliveries: Sequence[Delivery]) -> tuple[Exception | None, ...]:
        """Deliver each."""
        return tuple([await self._deliver(item) for item in deliveries])

    async def _deliver(self, item: Delivery) -> Exception | None:
        try:
            return await self._account(item.account).deliver(item)
        except errors.Unavailable as refusal:
            return refusal

    def watch(self, account_id: str, callback: Callable[[], None]) -> None:
        """Call back after each change."""
        self._watching.setdefault(account_id, set()).add(callback)

    def unwatch(self, account_id: str, callback: Callable[[], None]) -> None:
        """Forget the callback."""
        self._watching.get(account_id, set()).discard(callback)

    async def close(self) -> None:
        """Close the notices."""
        self._notices.close()
