"""Searching is asked of the store: it may leave messages undecided, but what it says is true."""

import pytest
from postroom.contracts import errors
from postroom.contracts.account import FlagMode, MailAccount
from postroom.contracts.search import Body, Flagged, Key, Members, Not, Or, Size
from postroom.contracts.store import Store

from .mailbox_acts import DELETED, FLAGGED, filled

FLAG, TEXT = Flagged(FLAGGED, True), Body("hello", header=False)


@pytest.mark.parametrize(
    ("key", "matches"),
    [
        (FLAG, {2, 4}),
        (Not(FLAG), {1, 5, 6}),
        (Or(FLAG, Members(((5, 9),), uid=True)), {2, 4, 5, 6}),
        (Size(1, True), {1, 2, 4, 5, 6}),
        (Size(1, False), set()),
        (TEXT, {1, 2, 4, 5, 6}),
    ],
)
async def test_what_a_store_says_is_true(store: Store, ada: MailAccount, key: Key, matches: set[int]) -> None:
    inbox = await filled(store, 6)
    await ada.store(inbox, [2, 4], FlagMode.ADD, frozenset({FLAGGED}))
    await ada.store(inbox, [3], FlagMode.ADD, frozenset({DELETED}))
    await ada.expunge(inbox)
    found = await ada.search(inbox, key, [1, 2, 3, 4, 5, 6])
    assert set(found.matching) <= matches <= {*found.matching, *found.undecided}
    assert list(found.matching) == sorted(found.matching)
    assert list(found.undecided) == sorted(found.undecided)
    assert found.missing == (3,)
    some = await ada.search(inbox, key, [4, 6])
    assert {*some.matching, *some.undecided} <= {4, 6}


async def test_a_deleted_mailbox_cannot_be_searched(ada: MailAccount) -> None:
    box = (await ada.create("a")).id
    await ada.delete("a")
    with pytest.raises(errors.NoSuchMailbox):
        await ada.search(box, FLAG, [1])
