"""Messages that are read one after the other, with one call of the store for many of them.

An engine in the same process answers each call at once; one that is far away takes as long for a window of messages as
for one of them.
"""

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from postroom.contracts.account import Content, MailAccount
from postroom.contracts.errors import MailError

MESSAGES: Final = 64  # of a window
Window = Callable[[Sequence[int]], Awaitable[tuple[Content, ...]]]


class ReadAhead:
    """Contents of messages in ascending order. Whatever is not read in this order is read on its own."""

    __slots__ = ("_held", "_next", "_one", "_uids", "_window")

    def __init__(self, uids: Sequence[int], window: Window, one: Callable[[int], Awaitable[bytes]]) -> None:
        self._uids = uids
        self._window = window
        self._one = one
        self._held: dict[int, Content] = {}
        self._next = 0  # index of the message after the last one that was read

    async def read(self, uid: int) -> bytes:
        """Return a message's octets, once. Raises MessageGone, MessageLost, Unavailable."""
        index = bisect_left(self._uids, uid)
        in_order, self._next = index == self._next, index + 1
        held = self._held.pop(uid, None)
        if held is None:
            if not in_order or index + 1 >= len(self._uids):
                return await self._one(uid)
            self._held.clear()
            try:
                read = await self._window(self._uids[index : index + MESSAGES])
            except (MailError, OSError):
                raise
            except Exception:  # a fault of ours about one message must not spoil those around it
                return await self._one(uid)
            self._held = {content.uid: content for content in read}
            held = self._held.pop(uid)
        if held.error is not None:
            raise held.error
        return held.octets


def contents_ahead(account: MailAccount, mailbox: int, uids: Sequence[int], octets: int) -> ReadAhead:
    """Read whole messages, of which windows of so many octets are held."""

    async def window(wanted: Sequence[int]) -> tuple[Content, ...]:
        return await account.contents(mailbox, wanted, octets)

    async def one(uid: int) -> bytes:
        return await account.content(mailbox, uid)

    return ReadAhead(uids, window, one)


def heads_ahead(account: MailAccount, mailbox: int, uids: Sequence[int], octets: int) -> ReadAhead:
    """Read the first octets of messages."""

    async def window(wanted: Sequence[int]) -> tuple[Content, ...]:
        return await account.heads(mailbox, wanted, octets)

    async def one(uid: int) -> bytes:
        return await account.head(mailbox, uid, octets)

    return ReadAhead(uids, window, one)
