"""Watching an account: what the store promises to those that wait for news."""

import asyncio

from postroom.contracts.account import FlagMode, MailAccount
from postroom.contracts.store import Store

from .mailbox_acts import SEEN, delivery, filled


async def test_a_watcher_is_told_of_every_kind_of_change(store: Store, ada: MailAccount) -> None:
    inbox, told = await filled(store, 1), asyncio.Event()
    store.watch("ada", told.set)
    store.watch("ada", told.set)  # once is enough, and twice is once
    for change in (
        lambda: store.deliver([delivery(10)]),
        lambda: ada.store(inbox, [1], FlagMode.ADD, frozenset({SEEN})),
        lambda: ada.create("new"),
        lambda: ada.copy(inbox, [1], "Sent"),
    ):
        await change()
        async with asyncio.timeout(5):
            await told.wait()
        told.clear()
    store.unwatch("ada", told.set)
    store.unwatch("ada", told.set)
    await store.deliver([delivery(11)])
    await store.deliver([delivery(12, "bob")])
    assert not told.is_set()


async def test_others_are_not_told(store: Store) -> None:
    ada, bob = asyncio.Event(), asyncio.Event()
    store.watch("ada", ada.set)
    store.watch("bob", bob.set)
    await store.deliver([delivery(1)])
    async with asyncio.timeout(5):
        await ada.wait()
    assert not bob.is_set()
