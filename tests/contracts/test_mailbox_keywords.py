"""Keywords: one spelling in a mailbox whatever the case (RFC 3501 section 9, rule 1), and not without end."""

import pytest
from postroom.contracts import errors
from postroom.contracts.account import MOST_KEYWORDS, FlagMode, MailAccount, NewMessage
from postroom.contracts.store import Store

from .mailbox_acts import SEEN, delivery, filled


async def flags(account: MailAccount, mailbox: int, uid: int) -> set[str]:
    (row,) = await account.rows(mailbox, [uid])
    return set(row.flags)


def numbered(count: int, name: str = "k") -> frozenset[str]:
    return frozenset(f"{name}{number}" for number in range(count))


async def test_the_first_spelling_is_the_mailboxs(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 3)
    await ada.store(inbox, [1], FlagMode.ADD, frozenset({"Work"}))
    stored = await ada.store(inbox, [2], FlagMode.ADD, frozenset({"WORK", SEEN}))
    assert stored.rows[0].flags == {"Work", SEEN}
    await ada.store(inbox, [3], FlagMode.REPLACE, frozenset({"work", "wOrK"}))
    assert [await flags(ada, inbox, uid) for uid in (1, 2, 3)] == [{"Work"}, {"Work", SEEN}, {"Work"}]
    assert (await ada.select("INBOX", False)).keywords == ("Work",)


async def test_another_spelling_changes_nothing(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 1)
    first = await ada.store(inbox, [1], FlagMode.ADD, frozenset({"Work"}))
    assert (await ada.store(inbox, [1], FlagMode.ADD, frozenset({"work"}))).rows == first.rows
    assert (await ada.store(inbox, [1], FlagMode.REPLACE, frozenset({"WORK"}))).rows == first.rows


async def test_any_spelling_takes_it_away(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 1)
    await ada.store(inbox, [1], FlagMode.ADD, frozenset({"Work", "other"}))
    await ada.store(inbox, [1], FlagMode.REMOVE, frozenset({"wORK"}))
    assert await flags(ada, inbox, 1) == {"other"}


async def test_one_message_has_a_keyword_once(ada: MailAccount) -> None:
    await ada.append("Drafts", [NewMessage(b"x", frozenset({"work", "Work", "WORK"}))])
    drafts = (await ada.select("Drafts", False)).mailbox.id
    assert len(await flags(ada, drafts, 1)) == 1


@pytest.mark.parametrize("moves", [False, True])
async def test_a_mailbox_keeps_its_spelling_for_what_comes(
    store: Store, ada: MailAccount, moves: bool
) -> None:
    inbox = await filled(store, 1)
    await ada.store(inbox, [1], FlagMode.ADD, frozenset({"WORK", "b"}))
    await ada.append(
        "Archive", [NewMessage(b"x", frozenset({"Work"})), NewMessage(b"y", frozenset({"work"}))]
    )
    await (ada.move if moves else ada.copy)(inbox, [1], "Archive")
    archive = await ada.select("Archive", False)
    assert [await flags(ada, archive.mailbox.id, uid) for uid in (1, 2, 3)] == [
        {"Work"},
        {"Work"},
        {"Work", "b"},
    ]
    assert archive.keywords == ("Work", "b")


async def test_a_mailbox_has_so_many_keywords(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 2)
    await ada.store(inbox, [1], FlagMode.ADD, numbered(MOST_KEYWORDS))
    for mode in (FlagMode.ADD, FlagMode.REPLACE):
        with pytest.raises(errors.TooManyKeywords):
            await ada.store(inbox, [2], mode, frozenset({SEEN, "more"}))
    assert await flags(ada, inbox, 2) == set()
    await ada.append("Drafts", [NewMessage(b"x", frozenset({"more"}))])
    drafts = (await ada.select("Drafts", False)).mailbox.id
    for refused in (
        ada.append("INBOX", [NewMessage(b"x", frozenset({"more"}))]),
        ada.copy(drafts, [1], "INBOX"),
        ada.move(drafts, [1], "INBOX"),
    ):
        with pytest.raises(errors.TooManyKeywords):
            await refused
    assert ((await ada.status("INBOX")).messages, (await ada.status("Drafts")).messages) == (2, 1)
    await ada.store(inbox, [2], FlagMode.ADD, frozenset({"K1", "K7"}))
    assert await flags(ada, inbox, 2) == {"k1", "k7"}


async def test_keywords_that_no_message_has_make_room(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 1)
    for round_ in range(3):
        names = numbered(MOST_KEYWORDS, f"round{round_}.")
        await ada.store(inbox, [1], FlagMode.REPLACE, names)
        assert await flags(ada, inbox, 1) == names
        assert set((await ada.select("INBOX", False)).keywords) == names


async def test_new_mail_comes_whatever_keywords_it_was_to_have(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 1)
    await ada.store(inbox, [1], FlagMode.ADD, numbered(MOST_KEYWORDS))
    results = await store.deliver([delivery(50, flags=frozenset({"K3", "more", SEEN}))])
    assert results == (None,)
    assert await flags(ada, inbox, 2) == {"k3", SEEN}


async def test_who_makes_a_keyword_hears_all_of_them(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 2)
    since = (await ada.status("INBOX")).highestmodseq
    assert set((await ada.store(inbox, [1], FlagMode.ADD, frozenset({"one"}))).keywords) == {"one"}
    assert set((await ada.store(inbox, [1], FlagMode.ADD, frozenset({"two", "ONE"}))).keywords) == {
        "one",
        "two",
    }
    assert set((await ada.changes(inbox, since, False)).keywords) == {"one", "two"}


async def test_a_new_message_keeps_those_it_has_itself(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 1)
    await ada.store(inbox, [1], FlagMode.ADD, numbered(MOST_KEYWORDS))
    await ada.store(inbox, [1], FlagMode.REPLACE, frozenset({"k9"}))
    await ada.append("INBOX", [NewMessage(b"x", frozenset({"k1", "new"}))])
    assert await flags(ada, inbox, 2) == {"k1", "new"}
    assert (await ada.select("INBOX", False)).keywords == ("k1", "k9", "new")
