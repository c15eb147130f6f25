"""A maildrop on the real store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from postroom.contracts.account import FlagMode, MailAccount
from postroom.contracts.errors import MailboxInUse, MessageGone
from postroom.contracts.store import Delivery
from postroom.pop3.maildrop import Maildrop
from postroom.runtime.clock import SystemClock
from postroom.store import NoNotices, SqliteStore, open_store
from postroom.wire.pop3.commands import PeerError

LETTERS = [b"Subject: %d\r\n\r\nx\r\n" % number for number in range(4)]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(str(tmp_path), NoNotices(), SystemClock())
    for number, content in enumerate(LETTERS):
        assert await opened.deliver([Delivery("ada", f"q{number}", "ada", b"P: x\r\n", content, 1)]) == (
            None,
        )
    yield opened
    await opened.close()


@pytest.fixture
async def account(store: SqliteStore) -> MailAccount:
    return await store.account("ada", "ada")


async def flags(account: MailAccount) -> dict[int, set[str]]:
    selected = await account.select("INBOX", False)
    return {row.uid: set(row.flags) for row in await account.rows(selected.mailbox.id)}


async def test_sizes_count_what_is_served(account: MailAccount) -> None:
    maildrop = await Maildrop.open(account)
    content = await maildrop.content(1)
    maildrop.note_read(1)
    assert content == b"P: x\r\n" + LETTERS[0]
    assert maildrop.size(1) == f"1 {len(content)}"
    assert maildrop.count_and_size() == (4, 4 * len(content))
    await maildrop.close()


async def test_update_removes_the_deleted_and_marks_the_read(account: MailAccount) -> None:
    maildrop = await Maildrop.open(account)
    for number in (1, 2):
        await maildrop.content(number)
        maildrop.note_read(number)
    await maildrop.content(3)
    maildrop.delete(2)
    maildrop.delete(4)
    assert maildrop.count_and_size()[0] == 2
    await maildrop.update()
    await maildrop.close()
    assert await flags(account) == {1: {"\\Seen"}, 3: set()}


async def test_reset_takes_every_mark_back(account: MailAccount) -> None:
    maildrop = await Maildrop.open(account)
    maildrop.delete(1)
    maildrop.undelete_all()
    await maildrop.update()
    await maildrop.close()
    assert list(await flags(account)) == [1, 2, 3, 4]


async def test_others_deletions_are_not_carried_out(account: MailAccount) -> None:
    """POP3 must not remove a message that an IMAP client marked as deleted and has not expunged."""
    selected = await account.select("INBOX", False)
    await account.store(selected.mailbox.id, [3], FlagMode.ADD, frozenset({"\\Deleted"}))
    maildrop = await Maildrop.open(account)
    maildrop.delete(1)
    await maildrop.update()
    await maildrop.close()
    assert list(await flags(account)) == [2, 3, 4]


async def test_what_imap_expunged_meanwhile_is_gone_and_numbers_stay(account: MailAccount) -> None:
    maildrop = await Maildrop.open(account)
    selected = await account.select("INBOX", False)
    await account.store(selected.mailbox.id, [2], FlagMode.ADD, frozenset({"\\Deleted"}))
    await account.expunge(selected.mailbox.id)
    with pytest.raises(MessageGone):
        await maildrop.content(2)
    assert await maildrop.content(3) == b"P: x\r\n" + LETTERS[2]
    maildrop.delete(2)
    maildrop.delete(3)
    await maildrop.update()
    await maildrop.close()
    assert list(await flags(account)) == [1, 4]


async def test_one_at_a_time(account: MailAccount) -> None:
    first = await Maildrop.open(account)
    with pytest.raises(MailboxInUse):
        await Maildrop.open(account)
    await first.close()
    second = await Maildrop.open(account)
    await second.close()


@pytest.mark.parametrize("number", [0, 5, 4_294_967_295])
async def test_numbers_that_nobody_has(account: MailAccount, number: int) -> None:
    maildrop = await Maildrop.open(account)
    with pytest.raises(PeerError):
        maildrop.size(number)
    with pytest.raises(PeerError):
        maildrop.delete(number)
    await maildrop.close()
