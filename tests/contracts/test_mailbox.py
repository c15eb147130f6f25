"""What every Store must do with messages, run on every implementation that we have."""

import asyncio

import pytest
from postroom.contracts import errors
from postroom.contracts.account import FlagMode, MailAccount, NewMessage
from postroom.contracts.store import Store

from .conftest import Heard, Limits
from .mailbox_acts import DELETED, FLAGGED, MESSAGE, NOW, PREFIX, SEEN, delivery, filled, uids


async def test_a_new_account_has_its_first_mailboxes(ada: MailAccount) -> None:
    boxes = await ada.mailboxes()
    assert [box.name for box in boxes] == ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"]
    assert {box.special_use for box in boxes} == {"", "\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash"}
    assert all(box.subscribed and box.selectable for box in boxes)
    assert len({box.uidvalidity for box in boxes}) == 6


async def test_delivered_mail_is_served_with_its_prefix(store: Store, ada: MailAccount) -> None:
    assert await store.deliver([delivery(1)]) == (None,)
    selected = await ada.select("INBOX", False)
    assert list(selected.uids) == [1]
    assert selected.first_unseen == 1
    assert await ada.content(selected.mailbox.id, 1) == PREFIX + MESSAGE
    (row,) = await ada.rows(selected.mailbox.id)
    assert (row.size, row.internal_date, row.flags) == (len(PREFIX + MESSAGE), NOW, frozenset())
    (detail,) = await ada.details(selected.mailbox.id, [1])
    assert detail.envelope.subject == b"Greetings"
    assert (PREFIX + MESSAGE)[detail.structure.body : detail.structure.end] == b"Hello\r\n"
    assert detail.structure.start == 0


@pytest.mark.parametrize("octets", [1, 60, len(MESSAGE) - 1, len(MESSAGE), 100_000])
async def test_the_beginning_of_a_message(store: Store, ada: MailAccount, octets: int) -> None:
    inbox = await filled(store, 1)
    start = await ada.head(inbox, 1, octets)
    assert (PREFIX + MESSAGE).startswith(start)
    assert len(start) >= min(octets, len(PREFIX + MESSAGE))
    with pytest.raises(errors.MessageGone):
        await ada.head(inbox, 2, octets)


@pytest.mark.parametrize("start", [0, 3, len(PREFIX), len(PREFIX) + 5, 100_000])
@pytest.mark.parametrize("octets", [0, 1, 20, 100_000])
async def test_a_piece_of_a_message(store: Store, ada: MailAccount, start: int, octets: int) -> None:
    inbox = await filled(store, 1)
    whole = PREFIX + MESSAGE
    assert await ada.piece(inbox, 1, start, start + octets) == whole[start : start + octets]
    with pytest.raises(errors.MessageGone):
        await ada.piece(inbox, 2, start, start + octets)


async def test_the_second_copy_is_success_and_not_stored(store: Store, ada: MailAccount) -> None:
    assert await store.deliver([delivery(1), delivery(1)]) == (None, None)
    assert await store.deliver([delivery(1)]) == (None,)
    assert await store.deliver([delivery(1, recipient="ada.l@alpha.example")]) == (None,)
    assert (await ada.status("INBOX")).messages == 2


async def test_an_unknown_mailbox_means_inbox(store: Store, ada: MailAccount) -> None:
    await store.deliver(
        [delivery(1, mailbox="Lists"), delivery(2, mailbox="Junk"), delivery(3, mailbox="../x")]
    )
    assert (await ada.status("INBOX")).messages == 2
    assert (await ada.status("Junk")).messages == 1


async def test_one_message_for_several_accounts(store: Store) -> None:
    people = ["ada", "bob", "cyd", "dan", "eve"]
    wanted = [delivery(1, name, prefix=b"Delivered-To: " + name.encode() * 3 + b"\r\n") for name in people]
    assert await store.deliver(wanted) == (None,) * 5
    for item in wanted:
        account = await store.account(item.account, item.account)
        box = await account.select("INBOX", False)
        served = await account.content(box.mailbox.id, 1)
        assert served == item.prefix + MESSAGE
        (detail,) = await account.details(box.mailbox.id, [1])
        assert served[detail.structure.body : detail.structure.end] == b"Hello\r\n"


async def test_quota_counts_what_is_there(store: Store, limits: Limits) -> None:
    size = len(PREFIX + MESSAGE)
    limits.octets["ada"] = 2 * size
    results = await store.deliver([delivery(number) for number in range(3)])
    assert [type(result) for result in results] == [type(None), type(None), errors.RecipientOverQuota]
    account = await store.account("ada", "ada")
    quota = await account.quota()
    assert (quota.used, quota.limit, quota.messages) == (2 * size, 2 * size, 2)
    with pytest.raises(errors.QuotaExceeded):
        await account.append("Drafts", [NewMessage(b"x")])
    inbox = (await account.select("INBOX", True)).mailbox.id
    with pytest.raises(errors.QuotaExceeded):
        await account.copy(inbox, [1], "Sent")
    await account.move(inbox, [1], "Sent")
    await account.store(inbox, [2], FlagMode.ADD, frozenset({DELETED}))
    await account.expunge(inbox)
    assert (await account.quota()).used == size
    assert await store.deliver([delivery(2)]) == (None,)
    limits.octets["ada"] = 3 * size  # at once, for accounts that are open too
    await account.copy((await account.select("Sent", True)).mailbox.id, [1], "Drafts")


async def test_a_second_copy_is_success_even_when_full(store: Store, limits: Limits) -> None:
    limits.octets["ada"] = len(PREFIX + MESSAGE)
    assert await store.deliver([delivery(1)]) == (None,)
    assert await store.deliver([delivery(1)]) == (None,)


async def test_recent_belongs_to_the_first_writable_session(store: Store, ada: MailAccount) -> None:
    await store.deliver([delivery(1)])
    assert (await ada.status("INBOX")).recent == 1
    assert (await ada.select("INBOX", False)).recent == {1}
    assert (await ada.select("INBOX", True)).recent == {1}
    assert (await ada.select("INBOX", True)).recent == frozenset()
    await store.deliver([delivery(2)])
    selected = await ada.select("INBOX", False)
    inbox, before = selected.mailbox.id, selected.status.highestmodseq - 1
    assert (await ada.changes(inbox, before, True)).recent == {2}
    assert (await ada.changes(inbox, before, True)).recent == frozenset()


@pytest.mark.parametrize(
    ("mode", "flags", "after"),
    [
        (FlagMode.ADD, {FLAGGED, "work"}, {SEEN, FLAGGED, "work", "old"}),
        (FlagMode.REMOVE, {SEEN, "old"}, set()),
        (FlagMode.REPLACE, {"new"}, {"new"}),
    ],
)
async def test_flags(
    store: Store, ada: MailAccount, mode: FlagMode, flags: set[str], after: set[str]
) -> None:
    inbox = await filled(store, 2)
    await ada.store(inbox, [1], FlagMode.REPLACE, frozenset({SEEN, "old"}))
    stored = await ada.store(inbox, [1, 99], mode, frozenset(flags))
    assert [row.flags for row in stored.rows] == [after]
    assert [row.flags for row in await ada.rows(inbox, [1])] == [after]
    assert {"old"} <= set((await ada.select("INBOX", False)).keywords)


async def test_a_change_raises_the_modseq_and_no_change_does_not(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 2)
    before = (await ada.status("INBOX")).highestmodseq
    first = await ada.store(inbox, [1], FlagMode.ADD, frozenset({SEEN}))
    assert first.rows[0].modseq > before
    again = await ada.store(inbox, [1], FlagMode.ADD, frozenset({SEEN}))
    assert again.rows == first.rows
    assert again.before == (first.rows[0].modseq,)
    assert (await ada.status("INBOX")).highestmodseq == first.rows[0].modseq


async def test_unchanged_since_holds_back(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 3)
    before = (await ada.status("INBOX")).highestmodseq
    await ada.store(inbox, [2], FlagMode.ADD, frozenset({SEEN}))
    stored = await ada.store(inbox, [1, 2, 3], FlagMode.ADD, frozenset({FLAGGED}), unchanged_since=before)
    assert stored.modified == (2,)
    assert uids(stored.rows) == [1, 3]
    assert len(stored.before) == 2
    assert max(stored.before) <= before
    assert [row.flags for row in await ada.rows(inbox, [2])] == [{SEEN}]


async def test_counters_follow(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 4)
    await ada.store(inbox, [1, 2], FlagMode.ADD, frozenset({SEEN, DELETED}))
    await ada.store(inbox, [2], FlagMode.REMOVE, frozenset({SEEN}))
    status = await ada.status("INBOX")
    assert (status.messages, status.unseen, status.deleted, status.size) == (
        4,
        3,
        2,
        4 * len(PREFIX + MESSAGE),
    )
    assert await ada.expunge(inbox, [2, 3]) == (2,)
    assert await ada.expunge(inbox) == (1,)
    status = await ada.status("INBOX")
    assert (status.messages, status.unseen, status.deleted, status.uidnext) == (2, 2, 0, 5)
    assert (await ada.select("INBOX", False)).first_unseen == 3


async def test_changes_tell_all_that_happened(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 5)
    since = (await ada.status("INBOX")).highestmodseq
    assert (await ada.changes(inbox, since, True)).rows == ()
    await ada.store(inbox, [2], FlagMode.ADD, frozenset({SEEN}))
    await ada.store(inbox, [4], FlagMode.ADD, frozenset({DELETED}))
    await ada.expunge(inbox)
    await store.deliver([delivery(10)])
    await ada.store(inbox, [6], FlagMode.ADD, frozenset({FLAGGED}))
    await store.deliver([delivery(11)])
    found = await ada.changes(inbox, since, True)
    assert uids(found.rows) == [2, 6, 7]
    assert found.vanished == (4,)
    assert found.recent == {6, 7}
    assert (found.uidnext, found.highestmodseq) == (8, (await ada.status("INBOX")).highestmodseq)
    assert (await ada.changes(inbox, found.highestmodseq, True)).rows == ()
    assert uids((await ada.changes(inbox, 0, True)).rows) == [1, 2, 3, 5, 6, 7]


async def test_rows_of_any_set_of_uids(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 60)
    await ada.store(inbox, [7], FlagMode.ADD, frozenset({SEEN}))
    modseq = (await ada.status("INBOX")).highestmodseq
    assert uids(await ada.rows(inbox)) == list(range(1, 61))
    assert uids(await ada.rows(inbox, [60, 3, 3, 1, 99])) == [1, 3, 60]
    assert uids(await ada.rows(inbox, range(5, 9))) == [5, 6, 7, 8]
    assert uids(await ada.rows(inbox, [5, 7, 8])) == [5, 7, 8]
    assert uids(await ada.rows(inbox, [])) == []
    assert uids(await ada.rows(inbox, None, modseq - 1)) == [7]


async def test_append(ada: MailAccount) -> None:
    first = await ada.append(
        "Drafts", [NewMessage(b"Subject: a\r\n\r\n1", frozenset({"\\Draft"}), 5), NewMessage(b"b")]
    )
    assert first.uids == (1, 2)
    box = await ada.select("Drafts", False)
    assert first.uidvalidity == box.mailbox.uidvalidity
    rows = await ada.rows(box.mailbox.id)
    assert [(row.flags, row.internal_date, row.size) for row in rows] == [
        ({"\\Draft"}, 5, 15),
        (frozenset(), NOW, 1),
    ]
    assert await ada.content(box.mailbox.id, 2) == b"b"
    with pytest.raises(errors.NoSuchMailbox):
        await ada.append("Nowhere", [NewMessage(b"x")])


async def test_copy_keeps_flags_and_date_and_outlives_its_source(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 3)
    await ada.store(inbox, [3], FlagMode.ADD, frozenset({SEEN, "work"}))
    copied = await ada.copy(inbox, [1, 3, 77], "Archive")
    assert (copied.sources, copied.targets) == ((1, 3), (1, 2))
    target = await ada.select("Archive", False)
    assert copied.uidvalidity == target.mailbox.uidvalidity
    assert target.keywords == ("work",)
    assert [row.flags for row in await ada.rows(target.mailbox.id)] == [frozenset(), {SEEN, "work"}]
    await ada.store(inbox, [1, 3], FlagMode.ADD, frozenset({DELETED}))
    await ada.expunge(inbox)
    assert await ada.content(target.mailbox.id, 2) == PREFIX + MESSAGE
    with pytest.raises(errors.MessageGone):
        await ada.content(inbox, 1)
    with pytest.raises(errors.NoSuchMailbox):
        await ada.copy(inbox, [2], "Nowhere")


async def test_move(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 3)
    since = (await ada.status("INBOX")).highestmodseq
    moved = await ada.move(inbox, [2, 3], "Trash")
    assert (moved.sources, moved.targets) == ((2, 3), (1, 2))
    assert (await ada.changes(inbox, since, True)).vanished == (2, 3)
    assert (await ada.status("INBOX")).messages == 1
    assert (await ada.status("Trash")).messages == 2
    within = await ada.move(inbox, [1], "INBOX")
    assert (within.sources, within.targets) == ((1,), (4,))


async def test_what_is_deleted_is_gone_for_open_sessions(ada: MailAccount) -> None:
    box = (await ada.create("a")).id
    await ada.delete("a")
    with pytest.raises(errors.NoSuchMailbox):
        await ada.changes(box, 0, True)
    with pytest.raises(errors.NoSuchMailbox):
        await ada.store(box, [1], FlagMode.ADD, frozenset({SEEN}))


async def test_the_maildrop_is_exclusive(store: Store, ada: MailAccount) -> None:
    other = await store.account("ada", "ada")
    async with ada.maildrop():
        for account in (other, ada):
            with pytest.raises(errors.MailboxInUse):
                async with account.maildrop():
                    pytest.fail("two sessions have the maildrop")
    with pytest.raises(ZeroDivisionError):
        async with other.maildrop():
            raise ZeroDivisionError
    async with ada.maildrop():
        pass


async def test_a_maildrop_ends_with_its_holder(store: Store, ada: MailAccount) -> None:
    """A session that is cancelled, at whatever step, leaves no lock behind."""

    async def hold() -> None:
        async with ada.maildrop():
            await asyncio.Event().wait()

    for steps in range(12):
        holder = asyncio.ensure_future(hold())
        for _ in range(steps):
            await asyncio.sleep(0)
        holder.cancel()
        await asyncio.wait((holder,))
        async with asyncio.timeout(5):
            while True:
                try:
                    async with ada.maildrop():
                        break
                except errors.MailboxInUse:  # a thread that was locking it gives it back
                    await asyncio.sleep(0)


async def test_changes_are_told_and_reading_is_not(store: Store, ada: MailAccount, heard: Heard) -> None:
    await store.deliver([delivery(1)])
    assert heard.accounts == ["ada"]
    inbox = (await ada.select("INBOX", False)).mailbox.id
    await ada.rows(inbox)
    await ada.content(inbox, 1)
    await store.deliver([delivery(1)])
    await ada.store(inbox, [1], FlagMode.REMOVE, frozenset({SEEN}))
    await ada.expunge(inbox)
    assert heard.accounts == ["ada"]
    await ada.store(inbox, [1], FlagMode.ADD, frozenset({SEEN}))
    assert heard.accounts == ["ada", "ada"]


@pytest.mark.parametrize("account_id", ["", "..", "a/b", "A", ".x", "a" * 65, "a\0", "-a"])
async def test_account_ids_that_cannot_be(store: Store, account_id: str) -> None:
    with pytest.raises(errors.Unavailable):
        await store.account(account_id, account_id)
    (result,) = await store.deliver([delivery(1, account_id)])
    assert isinstance(result, errors.Unavailable)


async def test_more_accounts_than_may_be_open(store: Store) -> None:
    for round_ in range(3):
        wanted = [delivery(round_ * 100 + number, f"u{number % 12}") for number in range(36)]
        assert await store.deliver(wanted) == (None,) * 36
    for number in range(12):
        account = await store.account(f"u{number}", f"u{number}")
        assert (await account.status("INBOX")).messages == 9


async def test_what_is_expunged_while_it_is_read_can_be_read_to_its_end(
    store: Store, ada: MailAccount
) -> None:
    inbox = await filled(store, 2)
    whole = await ada.content(inbox, 1)
    pieces = [await ada.piece(inbox, 1, 0, 20)]
    await ada.store(inbox, [1], FlagMode.ADD, frozenset({DELETED}))
    await ada.expunge(inbox)
    pieces += [await ada.piece(inbox, 1, start, start + 20) for start in range(20, len(whole), 20)]
    assert b"".join(pieces) == whole
    with pytest.raises(errors.MessageGone):
        await ada.piece(inbox, 1, 0, 20)
    assert await ada.piece(inbox, 2, 0, 20) == whole[:20]
    assert await ada.piece(inbox, 2, len(whole) - 5, len(whole) + 5) == whole[-5:]
