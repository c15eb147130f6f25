"""A delivery files its message in several mailboxes at once, or in none: what a Sieve script asks for."""

import pytest
from postroom.contracts import errors
from postroom.contracts.account import MailAccount
from postroom.contracts.store import Copy, Store

from .conftest import Limits
from .mailbox_acts import FLAGGED, MESSAGE, PREFIX, SEEN, delivery


async def test_one_delivery_is_filed_in_two_mailboxes(store: Store, ada: MailAccount) -> None:
    copies = (Copy("Archive", frozenset({SEEN})), Copy("INBOX", frozenset({FLAGGED, "work"})))
    assert await store.deliver([delivery(1, copies=copies)]) == (None,)
    archive, inbox = await ada.select("Archive", False), await ada.select("INBOX", False)
    assert [row.flags for row in await ada.rows(archive.mailbox.id)] == [{SEEN}]
    assert [row.flags for row in await ada.rows(inbox.mailbox.id)] == [{FLAGGED, "work"}]
    for selected in (archive, inbox):
        assert await ada.content(selected.mailbox.id, 1) == PREFIX + MESSAGE
    assert (await ada.quota()).used == 2 * len(PREFIX + MESSAGE)


async def test_the_same_delivery_again_stores_nothing(store: Store, ada: MailAccount) -> None:
    copies = (Copy("Archive"), Copy("New/Folder", create=True))
    assert await store.deliver([delivery(1, copies=copies)]) == (None,)
    other = (Copy("INBOX"), Copy("Another", create=True))
    assert await store.deliver([delivery(1, copies=copies), delivery(1, copies=other)]) == (None, None)
    names = {mailbox.name for mailbox in await ada.mailboxes()}
    assert "Another" not in names
    assert (await ada.quota()).messages == 2
    assert (await ada.status("New/Folder")).messages == 1


async def test_a_mailbox_is_made_with_its_parents(store: Store, ada: MailAccount) -> None:
    await store.deliver([delivery(1, copies=(Copy("Lists/Python", create=True),))])
    assert (await ada.status("Lists/Python")).messages == 1
    assert (await ada.status("Lists")).messages == 0
    await ada.delete("Lists")  # only a parent from now on
    await store.deliver([delivery(2, copies=(Copy("Lists", create=True),))])
    assert (await ada.status("Lists")).messages == 1


@pytest.mark.parametrize("name", ["Lists", "a//b", "../x"])
async def test_a_copy_without_a_mailbox_goes_to_inbox_once(store: Store, ada: MailAccount, name: str) -> None:
    create = name != "Lists"
    copies = (Copy(name, frozenset({SEEN}), create), Copy("INBOX", frozenset({FLAGGED})))
    await store.deliver([delivery(1, copies=copies)])
    inbox = await ada.select("INBOX", False)
    assert [row.flags for row in await ada.rows(inbox.mailbox.id)] == [{SEEN, FLAGGED}]


async def test_quota_counts_every_copy_and_nothing_is_filed_by_halves(
    store: Store, ada: MailAccount, limits: Limits
) -> None:
    size = len(PREFIX + MESSAGE)
    copies = (Copy("INBOX"), Copy("Made", create=True))
    limits.octets["ada"] = 2 * size - 1
    (result,) = await store.deliver([delivery(1, copies=copies)])
    assert isinstance(result, errors.RecipientOverQuota)
    assert (await ada.quota()).messages == 0
    assert "Made" not in {mailbox.name for mailbox in await ada.mailboxes()}
    limits.octets["ada"] = 2 * size
    assert await store.deliver([delivery(1, copies=copies)]) == (None,)
    assert (await ada.quota()).messages == 2


async def test_all_copies_come_with_one_mod_sequence(store: Store, ada: MailAccount) -> None:
    await store.deliver([delivery(1, copies=(Copy("Archive"), Copy("INBOX")))])
    assert (await ada.status("Archive")).highestmodseq == (await ada.status("INBOX")).highestmodseq
