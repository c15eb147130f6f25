"""What every intake must do."""

import asyncio

import pytest
from postroom.contracts.queue import Intake
from postroom.contracts.queueadmin import QueueAdmin, Selection

from ...relay_site import mailbox, message, put, world

HEAD = b"Subject: x\r\n\r\n"


def stored(admin: QueueAdmin) -> dict[str, bytes]:
    """What another process finds: queue ids and whole messages."""
    return {entry.id: b"".join(admin.content(entry).chunks()) for entry in admin.entries(Selection())}


@pytest.mark.parametrize("size", [0, 10, 131_072, 131_073, 1_000_000])
async def test_what_is_accepted_is_there_for_others(intake: Intake, admin: QueueAdmin, size: int) -> None:
    body = b"x" * size
    identity = await put(intake, message(mailbox(1)), HEAD, body)
    assert stored(admin) == {identity: HEAD + body}


async def test_a_draft_gives_back_what_was_written(intake: Intake) -> None:
    for size in (100, 200_000):
        draft = intake.draft()
        text = HEAD + b"y" * size
        for at in range(0, len(text), 777):
            draft.write(text[at : at + 777])
        assert draft.size == len(text)
        assert draft.head(1000) == HEAD
        assert draft.head(5) == text[:5]
        assert b"".join(draft.body(len(HEAD))) == b"y" * size
        draft.discard()
        draft.discard()


async def test_the_head_may_be_another_than_what_came(intake: Intake, admin: QueueAdmin) -> None:
    for body in (b"text\r\n", b"z" * 300_000):
        draft = intake.draft()
        draft.write(HEAD + body)
        envelope = message(mailbox(1))
        await intake.accept(envelope, b"Received: here\r\n" + HEAD, draft, len(HEAD))
        assert stored(admin)[envelope.id] == b"Received: here\r\n" + HEAD + body


async def test_sessions_that_wait_together_are_all_accepted(intake: Intake, admin: QueueAdmin) -> None:
    put_all = (put(intake, message(mailbox(1), world("b@b.example")), HEAD, b"%d" % n) for n in range(300))
    identities = await asyncio.gather(*put_all)
    assert set(stored(admin)) == set(identities)


async def test_an_id_that_is_there_is_accepted_and_not_stored_again(
    intake: Intake, admin: QueueAdmin
) -> None:
    envelope = message(mailbox(1))
    await put(intake, envelope, HEAD, b"first")
    await put(intake, envelope, HEAD, b"second")
    assert stored(admin) == {envelope.id: HEAD + b"first"}


async def test_a_session_that_goes_away_does_not_take_its_message_along(
    intake: Intake, admin: QueueAdmin
) -> None:
    tasks = [asyncio.ensure_future(put(intake, message(mailbox(1)), HEAD, b"x")) for _ in range(20)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    accepted = {result for result in results if isinstance(result, str)}
    assert len(accepted) == 20 - tasks[3].cancelled()
    assert accepted <= set(stored(admin))
