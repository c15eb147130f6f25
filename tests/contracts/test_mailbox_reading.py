"""Reading ahead, counts of several mailboxes, identities of contents, appending in pieces, mod-sequences."""

import asyncio

import pytest
from postroom.contracts import errors
from postroom.contracts.account import FlagMode, MailAccount, NewMessage, Status, StoredRange
from postroom.contracts.store import Copy, Store

from .conftest import Limits
from .mailbox_acts import DELETED, MESSAGE, PREFIX, SEEN, delivery, filled, uids


async def test_contents_are_read_in_windows(store: Store, ada: MailAccount) -> None:
    inbox, size = await filled(store, 7), len(PREFIX + MESSAGE)
    window = await ada.contents(inbox, [2, 5, 3, 7], 3 * size)
    assert [(one.uid, one.octets, one.error) for one in window] == [
        (uid, PREFIX + MESSAGE, None) for uid in (2, 5, 3)
    ]
    assert [one.uid for one in await ada.contents(inbox, [2, 5], 1)] == [2]  # one at least
    assert await ada.contents(inbox, [], 1000) == ()


async def test_a_message_that_is_gone_stops_no_window(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 4)
    await ada.store(inbox, [2], FlagMode.ADD, frozenset({DELETED}))
    await ada.expunge(inbox)
    window = await ada.contents(inbox, [1, 2, 3, 99], 1 << 20)
    assert [(one.uid, bool(one.octets), type(one.error)) for one in window] == [
        (1, True, type(None)), (2, False, errors.MessageGone), (3, True, type(None)), (99, False, errors.MessageGone),
    ]  # fmt: skip
    heads = await ada.heads(inbox, [1, 2, 4], 10)
    assert [type(one.error) for one in heads] == [type(None), errors.MessageGone, type(None)]


async def test_heads_hold_what_is_asked_for_at_least(store: Store, ada: MailAccount) -> None:
    inbox = await filled(store, 3)
    for one in await ada.heads(inbox, [1, 2, 3], 20):
        assert len(one.octets) >= 20
        assert (PREFIX + MESSAGE).startswith(one.octets)
    assert [one.octets for one in await ada.heads(inbox, [3], 1 << 20)] == [PREFIX + MESSAGE]


async def test_counts_of_several_mailboxes_are_those_of_each(store: Store, ada: MailAccount) -> None:
    await filled(store, 3)
    await ada.create("a/b")
    await ada.create("c/d")
    await ada.delete("c")  # a name only
    found = await ada.statuses(["Sent", "INBOX", "nowhere", "a/b", "c", "a//x"])
    assert found == {name: await ada.status(name) for name in ("Sent", "INBOX", "a/b")}
    assert isinstance(found["INBOX"], Status)
    assert await ada.statuses([]) == {}


async def test_copies_share_their_content_id_and_nothing_else_has_it(store: Store, ada: MailAccount) -> None:
    await store.deliver([delivery(1, copies=(Copy("INBOX"), Copy("Archive"))), delivery(2)])
    inbox = (await ada.select("INBOX", True)).mailbox.id
    archive = (await ada.select("Archive", False)).mailbox.id
    first, second = [row.content_id for row in await ada.rows(inbox)]
    assert first != second
    assert [row.content_id for row in await ada.rows(archive)] == [first]
    await ada.copy(inbox, [2], "Sent")
    await ada.move(inbox, [2], "Trash")
    for name in ("Sent", "Trash"):
        mailbox = (await ada.select(name, False)).mailbox.id
        assert [row.content_id for row in await ada.rows(mailbox)] == [second]


async def test_a_content_id_is_never_given_again(store: Store, ada: MailAccount) -> None:
    """Also not that of the newest message, once it is expunged."""
    known: set[int] = set()
    for number in range(5):
        appended = await ada.append("Drafts", [NewMessage(b"draft %d" % number), NewMessage(b"other")])
        drafts = (await ada.select("Drafts", True)).mailbox.id
        new = {row.content_id for row in await ada.rows(drafts, appended.uids)}
        assert len(new) == 2
        assert not new & known
        known |= new
        await ada.store(drafts, appended.uids, FlagMode.ADD, frozenset({DELETED}))
        await ada.expunge(drafts)


async def test_an_append_is_put_together_from_pieces(store: Store, ada: MailAccount, limits: Limits) -> None:
    inbox = await filled(store, 2)
    start = len(PREFIX)
    pieces = (
        b"Resent: x\r\n",
        StoredRange(inbox, 2, start, start + 10),
        StoredRange(inbox, 1, start + 10, 1 << 30),
    )
    appended = await ada.append("Drafts", [NewMessage(pieces, frozenset({SEEN}))])
    drafts = (await ada.select("Drafts", False)).mailbox.id
    assert await ada.content(drafts, appended.uids[0]) == b"Resent: x\r\n" + MESSAGE
    with pytest.raises(errors.MessageGone):
        await ada.append("Drafts", [NewMessage((b"x", StoredRange(inbox, 99, 0, 1)))])
    limits.octets["ada"] = (await ada.quota()).used + 5
    with pytest.raises(errors.QuotaExceeded):
        await ada.append("Drafts", [NewMessage((b"x", StoredRange(inbox, 1, 0, 5)))])
    await ada.append("Drafts", [NewMessage((b"", StoredRange(inbox, 1, 0, 5)))])
    assert (await ada.status("Drafts")).messages == 2


async def test_a_modseq_is_visible_only_with_all_lower_ones(store: Store, ada: MailAccount) -> None:
    """A reader that asks for what came since the last answer misses nothing, whatever is written meanwhile."""
    inbox = await filled(store, 20)
    writers = [
        *(store.deliver([delivery(100 + number)]) for number in range(30)),
        *(ada.store(inbox, [uid], FlagMode.ADD, frozenset({SEEN})) for uid in range(1, 21)),
    ]
    running = asyncio.ensure_future(asyncio.gather(*writers))
    since, seen = (await ada.status("INBOX")).highestmodseq, {}
    rows = {row.uid: row for row in await ada.rows(inbox)}
    since = min(since, *(row.modseq for row in rows.values()))
    last = False
    while not last:
        last = running.done()
        changes = await ada.changes(inbox, since, True)
        assert all(since < row.modseq <= changes.highestmodseq for row in changes.rows)
        seen.update({row.uid: row for row in changes.rows})
        since = max(since, changes.highestmodseq)
        await asyncio.sleep(0)
    await running
    rows.update(seen)
    assert sorted(rows.values(), key=lambda row: row.uid) == list(await ada.rows(inbox))
    assert uids(await ada.rows(inbox)) == list(range(1, 51))
