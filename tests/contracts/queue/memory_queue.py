"""A queue in memory: the second implementation of the queue's contracts, as long as the process lives."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from postroom.contracts import errors
from postroom.contracts.clock import Clock
from postroom.contracts.outbox import (
    Claim,
    Claimed,
    ClaimedMessage,
    ClaimedRecipient,
    MemoryContent,
    Outcome,
    Partition,
    Postponement,
    Wanted,
)
from postroom.contracts.queue import Draft, Origin, QueuedMessage, QueuedRecipient
from postroom.contracts.queueadmin import QueueAction, QueuedDelivery, QueueEntry, Selection

MOST = 100


@dataclass
class Item:
    """One recipient in the queue."""

    number: int
    to: QueuedRecipient
    arrived: float
    due: float | None
    owner: object = None
    forced: bool = False
    attempts: int = 0
    tried: float = 0.0
    warned: bool = False
    host: str = ""
    status: str = ""
    reply: str = ""


@dataclass
class Message:
    """One message with the recipients that are left."""

    envelope: QueuedMessage
    content: MemoryContent
    items: dict[int, Item]


class MemoryDraft:
    """A message being received."""

    def __init__(self) -> None:
        self._octets = bytearray()

    @property
    def size(self) -> int:
        return len(self._octets)

    def write(self, octets: bytes | bytearray | memoryview) -> None:
        self._octets += octets

    def discard(self) -> None:
        self._octets.clear()

    def head(self, limit: int) -> bytes:
        start = bytes(self._octets[:limit])
        end = start.find(b"\r\n\r\n")
        return start if end < 0 else start[: end + 4]

    def body(self, start: int, size: int = 65536) -> Iterator[bytes]:
        yield from (bytes(self._octets[at : at + size]) for at in range(start, len(self._octets), size))


@dataclass
class MemoryQueue:
    """What all sides share."""

    clock: Clock
    messages: dict[str, Message] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    watchers: list[Callable[[], None]] = field(default_factory=list)

    def tell(self) -> None:
        for watcher in self.watchers:
            watcher()

    def items(self) -> Iterator[tuple[Message, Item]]:
        for message in self.messages.values():
            for item in message.items.values():
                yield message, item

    def remove(self, message: Message, number: int) -> None:
        message.items.pop(number)
        if not message.items:
            del self.messages[message.envelope.id]


class MemoryIntake:
    """Implements contracts.queue.Intake."""

    def __init__(self, queue: MemoryQueue) -> None:
        self._queue = queue

    def draft(self) -> MemoryDraft:
        return MemoryDraft()

    async def accept(self, message: QueuedMessage, head: bytes, draft: Draft, body_start: int) -> bool:
        content = MemoryContent(head, b"".join(draft.body(body_start)))
        draft.discard()
        queue = self._queue
        if message.id in queue.messages or (message.repeatable and message.id in queue.left):
            return False
        items = {n: Item(n, to, message.arrived, message.arrived) for n, to in enumerate(message.recipients)}
        queue.messages[message.id] = Message(message, content, items)
        queue.tell()
        return True

    async def close(self) -> None:
        """Nothing is open."""


class MemoryPartition:
    """Implements contracts.outbox.Partition: the whole queue, for one relay."""

    name = "memory"

    def __init__(self, queue: MemoryQueue) -> None:
        self._queue = queue
        self.waiting: list[tuple[str, Outcome]] = []

    @property
    def unsettled(self) -> bool:
        return bool(self.waiting)

    async def claim(self, wanted: Wanted) -> Claimed:
        waiting, self.waiting = self.waiting, []
        for identity, outcome in sorted(waiting, key=lambda one: one[1].due is not None):
            self._settle(identity, outcome)
        claims = self._claims(wanted) if wanted.recipients else []
        due = [item.due for _, item in self._queue.items() if item.due is not None and item.owner is None]
        return Claimed(claims, min(due, default=None))

    def _settle(self, identity: str, outcome: Outcome) -> None:
        message = self._queue.messages.get(identity)
        item = message.items.get(outcome.number) if message else None
        if message is None or item is None or item.owner is not self:
            return
        if outcome.due is None:
            if outcome.left and message.envelope.origin is Origin.INBOUND:
                self._queue.left.add(identity)
            self._queue.remove(message, item.number)
            return
        item.owner, item.due = None, outcome.due
        item.host, item.status, item.reply = outcome.host, outcome.status, outcome.reply
        item.warned = item.warned or outcome.warned
        if outcome.attempted:
            item.attempts += 1
            item.tried = self._queue.clock.now()

    def _claims(self, wanted: Wanted) -> list[Claim]:
        now, full = self._queue.clock.now(), set(wanted.full)
        ready = [
            (message, item)
            for message, item in self._queue.items()
            if item.due is not None and item.due <= now and not item.owner and item.to.destination not in full
        ]
        if wanted.recipients < len(ready):
            last_message, last = ready[wanted.recipients - 1]
            ready = ready[: wanted.recipients] + [
                (message, item)
                for message, item in ready[wanted.recipients :]
                if message is last_message and item.to.destination == last.to.destination
            ]

        def transaction(pair: tuple[Message, Item]) -> tuple[str, str, str, str]:
            message, item = pair
            return message.envelope.id, item.to.hop.value, item.to.destination, item.to.sender or ""

        claims = []
        for _, group in groupby(sorted(ready, key=transaction), key=transaction):
            together = list(group)
            for start in range(0, len(together), MOST):
                part = together[start : start + MOST]
                claims.append(self._claim(part[0][0], [item for _, item in part]))
        return claims

    def _claim(self, message: Message, items: list[Item]) -> Claim:
        forced = any(item.forced for item in items)
        for item in items:
            item.owner, item.forced = self, False
        first, envelope = items[0].to, message.envelope
        facts = {name: getattr(envelope, name) for name in ClaimedMessage._fields}
        sender = envelope.sender if first.sender is None else first.sender
        recipients = tuple(map(_recipient, items))
        return Claim(
            envelope.id, ClaimedMessage(**facts), first.hop, first.destination, sender, recipients, None,
            self._queue.clock.now(), forced,
        )  # fmt: skip

    def give_back(self) -> None:
        for _, item in self._queue.items():
            if item.owner is self:
                item.owner, item.due = None, self._queue.clock.now()


class MemoryOutbox:
    """Implements contracts.outbox.Outbox."""

    def __init__(self, queue: MemoryQueue) -> None:
        self._queue = queue
        self._partition = MemoryPartition(queue)
        self._tell: Callable[[], None] = lambda: None

    async def watch(self, news: Callable[[Partition], None]) -> None:
        self._tell = lambda: news(self._partition)
        self._queue.watchers.append(self._tell)
        self._tell()

    def settle(self, claim: Claim, outcomes: Sequence[Outcome]) -> None:
        assert isinstance(claim.handle, str)
        self._partition.waiting += [(claim.handle, outcome) for outcome in outcomes]
        self._tell()

    def release(self, claim: Claim) -> None:
        outcomes = [
            Outcome(one.number, claim.claimed, one.host, one.status, one.reply, False, one.warned)
            for one in claim.recipients
        ]
        self.settle(claim, outcomes)

    async def load(self, claim: Claim) -> MemoryContent:
        message = self._queue.messages.get(str(claim.handle))
        if message is None:
            raise errors.MessageGone
        return message.content

    async def postpone(self, what: Postponement) -> int:
        now, count = self._queue.clock.now(), 0
        for _, item in self._queue.items():
            due = item.due is not None and item.due <= now and item.owner is None
            reported = item.arrived > what.expired_before and (item.warned or item.arrived > what.warn_before)
            if due and reported and item.to.destination == what.destination:
                item.due = now + max(what.minimum, min(what.maximum, now - item.arrived))
                item.host, item.status, item.reply = what.host, what.status, what.reply
                count += 1
        return count

    async def close(self) -> None:
        self._queue.watchers.remove(self._tell)
        self._partition.give_back()
        self._queue.tell()


class MemoryQueueAdmin:
    """Implements contracts.queueadmin.QueueAdmin."""

    def __init__(self, queue: MemoryQueue) -> None:
        self._queue = queue

    def entries(self, selection: Selection) -> Iterator[QueueEntry]:
        for message in list(self._queue.messages.values()):
            if _selected(message, selection):
                yield _entry(message)

    def change(self, entries: Sequence[QueueEntry], what: QueueAction) -> int:
        count = 0
        for entry in entries:
            message = self._queue.messages.get(entry.id)
            for item in list(message.items.values()) if message else ():
                count += self._change(message, item, what)
        self._queue.tell()
        return count

    def _change(self, message: Message | None, item: Item, what: QueueAction) -> bool:
        held = item.due is None
        if (
            message is None
            or item.owner is not None
            or (what is not QueueAction.DELETE and held != (what is QueueAction.RELEASE))
        ):
            return False
        if what is QueueAction.DELETE:
            self._queue.remove(message, item.number)
        elif what is QueueAction.HOLD:
            item.due = None
        else:
            item.due, item.forced = self._queue.clock.now(), what is QueueAction.RETRY
        return True

    def content(self, entry: QueueEntry) -> MemoryContent:
        message = self._queue.messages.get(entry.id)
        if message is None:
            raise errors.MessageGone
        return message.content


def _matches(text: str, pattern: str) -> bool:
    """Return whether the text fits; only `*` is special."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None


def _selected(message: Message, selection: Selection) -> bool:
    tos = [item.to for item in message.items.values()]
    return (
        (not selection.ids or message.envelope.id in selection.ids)
        and (selection.sender is None or _matches(message.envelope.sender, selection.sender))
        and any(_matches(to.address, selection.recipient or "*") for to in tos)
        and any(_matches(to.destination, selection.destination or "*") for to in tos)
    )


def _recipient(item: Item) -> ClaimedRecipient:
    to = item.to
    return ClaimedRecipient(
        item.number, to.address, to.account, to.original, to.orcpt, to.notify, item.attempts, item.warned,
        item.reply, item.status, item.host,
    )  # fmt: skip


def _entry(message: Message) -> QueueEntry:
    envelope = replace(message.envelope)
    recipients = tuple(
        QueuedDelivery(
            item.number, item.to.address, item.to.original, item.to.hop.value, item.to.destination,
            float("inf") if item.owner else item.due, item.owner is not None, item.attempts, item.tried, item.host,
            item.status, item.reply,
        )
        for item in message.items.values()
    )  # fmt: skip
    return QueueEntry(
        "memory", envelope.id, envelope.id, envelope.arrived, envelope.sender, envelope.origin.value,
        envelope.size, envelope.message_id, envelope.client, envelope.account, recipients,
    )  # fmt: skip
