"""What every queue must let its operator see and do."""

import pytest
from postroom.contracts.errors import MessageGone
from postroom.contracts.queue import Intake
from postroom.contracts.queueadmin import QueueAction, QueueAdmin, Selection

from ...relay_site import mailbox, message, put, world
from .conftest import Engine, Relay

HEAD = b"Subject: x\r\n\r\n"


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), {0, 1, 2}),
        (Selection(sender="ada@alpha.example"), {0, 1}),
        (Selection(sender=""), {2}),
        (Selection(sender="*@alpha.example"), {0, 1}),
        (Selection(recipient="b@b.example"), {0}),
        (Selection(recipient="*@?.example"), set()),
        (Selection(destination="*.example", sender="ada@*"), {0, 1}),
        (Selection(destination="c.example"), {1}),
        (Selection(recipient="nobody@*"), set()),
    ],
)
async def test_messages_are_selected(
    intake: Intake, admin: QueueAdmin, selection: Selection, expected: set[int]
) -> None:
    envelopes = [
        message(world("b@b.example"), world("bb@b.example")),
        message(world("c@c.example")),
        message(mailbox(1), sender=""),
    ]
    for envelope in envelopes:
        await put(intake, envelope, HEAD, b"")
    found = {entry.id for entry in admin.entries(selection)}
    assert found == {envelopes[number].id for number in expected}
    assert {entry.id for entry in admin.entries(Selection((envelopes[1].id,)))} == {envelopes[1].id}


async def test_an_entry_has_a_state(engine: Engine, intake: Intake, relay: Relay, admin: QueueAdmin) -> None:
    await put(intake, message(world("b@b.example")), HEAD, b"")

    def state() -> str:
        (entry,) = admin.entries(Selection())
        return entry.state(engine.clock.now())

    assert state() == "incoming"
    (claim,) = await relay.claim()
    assert state() == "active"
    await relay.settle(claim, engine.clock.now() + 300, reply="451 later")
    assert state() == "deferred"
    assert admin.change(list(admin.entries(Selection())), QueueAction.HOLD) == 1
    assert state() == "hold"


async def test_what_is_held_waits_for_its_release(intake: Intake, relay: Relay, admin: QueueAdmin) -> None:
    await put(intake, message(world("b@b.example"), world("c@c.example")), HEAD, b"")
    entries = list(admin.entries(Selection()))
    assert admin.change(entries, QueueAction.RELEASE) == 0
    assert admin.change(entries, QueueAction.HOLD) == 2
    assert admin.change(entries, QueueAction.HOLD) == 0
    assert admin.change(entries, QueueAction.RETRY) == 0
    assert await relay.claim() == []
    assert admin.change(entries, QueueAction.RELEASE) == 2
    assert len(await relay.claim()) == 2


async def test_a_retry_is_due_now_and_forced(
    engine: Engine, intake: Intake, relay: Relay, admin: QueueAdmin
) -> None:
    await put(intake, message(world("b@b.example")), HEAD, b"")
    (claim,) = await relay.claim()
    await relay.settle(claim, engine.clock.now() + 300, reply="451 later")
    assert admin.change(list(admin.entries(Selection())), QueueAction.RETRY) == 1
    (claim,) = await relay.claim()
    assert claim.forced
    assert claim.recipients[0].attempts == 1


async def test_what_a_relay_works_on_is_left_alone(intake: Intake, relay: Relay, admin: QueueAdmin) -> None:
    await put(intake, message(world("b@b.example")), HEAD, b"")
    (claim,) = await relay.claim()
    entries = list(admin.entries(Selection()))
    assert [
        admin.change(entries, what) for what in (QueueAction.RETRY, QueueAction.HOLD, QueueAction.DELETE)
    ] == [0] * 3
    assert entries[0].recipients[0].claimed
    await relay.settle(claim, None)


@pytest.mark.parametrize("size", [4, 300_000])
async def test_a_message_can_be_read_until_it_is_deleted(
    intake: Intake, admin: QueueAdmin, size: int
) -> None:
    await put(intake, message(world("b@b.example"), world("c@c.example")), HEAD, b"x" * size)
    (entry,) = admin.entries(Selection())
    assert b"".join(admin.content(entry).chunks()) == HEAD + b"x" * size
    assert admin.change([entry], QueueAction.DELETE) == 2
    assert list(admin.entries(Selection())) == []
    with pytest.raises(MessageGone):
        admin.content(entry)
