"""Internal dates: every one that comes out can be shown, whatever came in. RFC 3501 section 2.3.3."""

import pytest
from postroom.contracts.account import MailAccount, NewMessage
from postroom.contracts.store import Store
from postroom.mail.dates import EARLIEST, LATEST

from .mailbox_acts import MESSAGE, NOW, delivery, filled

GIVEN = [
    (None, NOW),
    (0, 0),
    (-1, -1),
    (EARLIEST, EARLIEST),
    (LATEST, LATEST),
    (EARLIEST - 1, EARLIEST),
    (LATEST + 1, LATEST),
    (1 << 63, LATEST),
    (-(1 << 80), EARLIEST),
]


@pytest.mark.parametrize(("given", "kept"), GIVEN)
async def test_append(ada: MailAccount, given: int | None, kept: int) -> None:
    await ada.append("Drafts", [NewMessage(MESSAGE, internal_date=given)])
    drafts = (await ada.select("Drafts", False)).mailbox.id
    assert [row.internal_date for row in await ada.rows(drafts)] == [kept]


@pytest.mark.parametrize(("given", "kept"), [pair for pair in GIVEN if pair[0] is not None])
async def test_delivery(store: Store, ada: MailAccount, given: int, kept: int) -> None:
    assert await store.deliver([delivery(1, arrived=given)]) == (None,)
    inbox = (await ada.select("INBOX", False)).mailbox.id
    assert [row.internal_date for row in await ada.rows(inbox)] == [kept]


async def test_a_copy_keeps_the_first_second_of_1970(store: Store, ada: MailAccount) -> None:
    await filled(store, 0)
    await ada.append("Drafts", [NewMessage(MESSAGE, internal_date=0)])
    drafts = (await ada.select("Drafts", False)).mailbox.id
    await ada.copy(drafts, [1], "Sent")
    await ada.move(drafts, [1], "Trash")
    for name in ("Sent", "Trash"):
        box = (await ada.select(name, False)).mailbox.id
        assert [row.internal_date for row in await ada.rows(box)] == [0]
