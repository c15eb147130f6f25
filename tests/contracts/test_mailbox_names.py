"""What every Store must do with the names of mailboxes, run on every implementation that we have."""

import pytest
from postroom.contracts import errors
from postroom.contracts.account import FlagMode, MailAccount, NewMessage
from postroom.contracts.store import Store

from .mailbox_acts import SEEN, delivery, filled


async def test_create_makes_parents(ada: MailAccount) -> None:
    made = await ada.create("Lists/python/")
    assert made.name == "Lists/python"
    assert (await ada.status("Lists")).messages == 0
    for name in ("Lists", "inbox", "Lists/python"):
        with pytest.raises(errors.MailboxExists):
            await ada.create(name)
    assert (await ada.create("Spam", "\\Junk")).special_use == "\\Junk"


@pytest.mark.parametrize(
    "name",
    ["", "/a", "a//b", "a\0b", "a\nb", "a*", "%", "..", "a/../b", ".", "ä" * 128, "/".join(["x" * 99] * 11)],
)
async def test_names_that_cannot_be(ada: MailAccount, name: str) -> None:
    with pytest.raises(errors.MailboxNameInvalid):
        await ada.create(name)
    with pytest.raises(errors.MailboxNameInvalid):
        await ada.rename("Trash", name)


async def test_names_are_nfc(ada: MailAccount) -> None:
    assert (await ada.create("Entwu\u0308rfe")).name == "Entw\u00fcrfe"
    assert (await ada.status("Entw\u00fcrfe")).messages == 0


async def test_delete_and_create_again_gives_a_new_uidvalidity(store: Store, ada: MailAccount) -> None:
    seen = {(await ada.create("x")).uidvalidity}
    modseq = (await ada.append("x", [NewMessage(b"m")])).uids[0]
    for _ in range(5):
        await ada.delete("x")
        with pytest.raises(errors.NoSuchMailbox):
            await ada.status("x")
        made = await ada.create("x")
        assert made.uidvalidity not in seen
        seen.add(made.uidvalidity)
        assert (await ada.status("x")).messages == 0
    assert modseq == 1
    assert (await ada.quota()).messages == 0


async def test_delete(ada: MailAccount) -> None:
    await ada.create("a/b")
    await ada.append("a", [NewMessage(b"m")])
    await ada.delete("a")
    assert [box.selectable for box in await ada.mailboxes() if box.name == "a"] == [False]
    with pytest.raises(errors.MailboxNotSelectable):
        await ada.select("a", True)
    with pytest.raises(errors.MailboxNotDeletable):
        await ada.delete("a")
    with pytest.raises(errors.MailboxNotDeletable):
        await ada.delete("INBOX")
    await ada.create("a")
    assert (await ada.status("a")).messages == 0
    await ada.delete("a/b")
    await ada.delete("a")
    with pytest.raises(errors.NoSuchMailbox):
        await ada.delete("a")


async def test_rename_takes_children_along(ada: MailAccount) -> None:
    await ada.create("a/b/c")
    await ada.create("ab")
    old = await ada.select("a/b", True)
    await ada.rename("a", "x/y")
    names = [box.name for box in await ada.mailboxes()]
    assert {"x", "x/y", "x/y/b", "x/y/b/c", "ab"} <= set(names)
    assert not {"a", "a/b"} & set(names)
    new = await ada.select("x/y/b", True)
    assert (new.mailbox.id, new.mailbox.uidvalidity) == (old.mailbox.id, old.mailbox.uidvalidity)
    for old_name, new_name, kind in (
        ("nope", "z", errors.NoSuchMailbox),
        ("ab", "x", errors.MailboxExists),
        ("x", "x/inner", errors.MailboxNameInvalid),
    ):
        with pytest.raises(kind):
            await ada.rename(old_name, new_name)


async def test_rename_of_inbox_moves_its_messages(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 3)
    await ada.store(inbox, [1], FlagMode.ADD, frozenset({SEEN, "kw"}))
    since = (await ada.status("INBOX")).highestmodseq
    await ada.rename("INBOX", "Old")
    old = await ada.select("Old", True)
    assert (old.status.messages, old.status.unseen, old.keywords) == (3, 2, ("kw",))
    found = await ada.changes(inbox, since, True)
    assert (found.rows, found.vanished) == ((), (1, 2, 3))
    status = await ada.status("INBOX")
    assert (status.messages, status.recent, status.uidnext) == (0, 0, 4)
    await store.deliver([delivery(9)])
    assert list((await ada.select("INBOX", True)).uids) == [4]


async def test_subscriptions_outlive_mailboxes(ada: MailAccount) -> None:
    await ada.create("a")
    await ada.subscribe("a", True)
    await ada.delete("a")
    assert "a" in await ada.subscriptions()
    await ada.subscribe("a", False)
    await ada.subscribe("a", False)
    assert "a" not in await ada.subscriptions()
