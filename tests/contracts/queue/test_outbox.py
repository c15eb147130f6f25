"""What every outbox must do."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from postroom.contracts.errors import MessageGone
from postroom.contracts.outbox import NOTHING_WANTED, Outcome, Postponement, Wanted
from postroom.contracts.queue import Hop, Intake, Origin
from postroom.contracts.queueadmin import QueueAction, QueueAdmin, Selection

from ...relay_site import mailbox, message, put, world
from .conftest import Engine, Relay

HEAD = b"Subject: x\r\n\r\n"


async def test_a_claim_says_all_that_was_accepted(engine: Engine, intake: Intake, relay: Relay) -> None:
    person = replace(world("bob@b.example"), original="b@alpha.example", orcpt="rfc822;b", notify="NEVER")
    facts = {
        "origin": Origin.INBOUND,
        "message_id": "<m@x>",
        "signing_domain": "alpha.example",
        "vouched": True,
    }
    more = {
        "authentication": "a",
        "arc": "c",
        "body": "8BITMIME",
        "smtputf8": True,
        "envid": "e",
        "ret": "HDRS",
    }
    envelope = message(person, client="192.0.2.1", account="ada", size=18, **facts, **more)
    await put(intake, envelope, HEAD, b"text")
    (claim,) = await relay.claim()
    assert claim.message._asdict() == {name: getattr(envelope, name) for name in claim.message._fields}
    (found,) = claim.recipients
    assert (found.number, found.address, found.original) == (0, "bob@b.example", "b@alpha.example")
    assert (found.orcpt, found.notify, found.attempts, found.warned) == ("rfc822;b", "NEVER", 0, False)
    assert (claim.hop, claim.destination, claim.sender) == (Hop.WORLD, "b.example", envelope.sender)
    assert claim.claimed == engine.clock.now()
    assert not claim.forced


@pytest.mark.parametrize("size", [0, 4, 100_000, 300_000])
async def test_the_content_comes_with_the_claim_or_by_load(intake: Intake, relay: Relay, size: int) -> None:
    await put(intake, message(world("b@b.example")), HEAD, b"x" * size)
    (claim,) = await relay.claim()
    content = claim.content or await relay.outbox.load(claim)
    assert (content.head, content.size) in ((HEAD, 0), (HEAD, len(HEAD) + size))  # the envelope says the size
    for _ in range(2):
        assert b"".join(content.chunks(1000)) == HEAD + b"x" * size
    await relay.settle(claim, None)
    with pytest.raises(MessageGone):
        await relay.outbox.load(claim)


async def test_recipients_of_one_transaction_come_together(intake: Intake, relay: Relay) -> None:
    people = [world(f"p{number}@b.example") for number in range(150)]
    listed = replace(world("l@b.example"), sender="owner@alpha.example")
    await put(intake, message(*people, listed, world("x@c.example"), mailbox(1)), HEAD, b"")
    claims = await relay.claim()
    assert Counter((claim.destination, claim.sender, len(claim.recipients)) for claim in claims) == {
        ("b.example", "ada@alpha.example", 100): 1,
        ("b.example", "ada@alpha.example", 50): 1,
        ("b.example", "owner@alpha.example", 1): 1,
        ("c.example", "ada@alpha.example", 1): 1,
        ("mail.alpha.example", "ada@alpha.example", 1): 1,
    }


async def test_a_claim_belongs_to_one_relay_until_it_is_settled(
    intake: Intake, relays: list[Relay], admin: QueueAdmin
) -> None:
    mine, yours = relays
    await put(intake, message(world("b@b.example"), world("c@c.example")), HEAD, b"")
    first, second = await mine.claim()
    assert await yours.claim() == []
    assert await mine.claim() == []
    await mine.settle(first, None)
    (entry,) = admin.entries(Selection())
    assert [one.destination for one in entry.recipients] == [second.destination]
    await mine.settle(second, None)
    assert list(admin.entries(Selection())) == []
    assert await yours.claim() == []


async def test_what_is_deferred_comes_back_when_it_is_due(
    engine: Engine, intake: Intake, relays: list[Relay]
) -> None:
    await put(intake, message(world("b@b.example")), HEAD, b"")
    (claim,) = await relays[0].claim()
    due = engine.clock.now() + 300
    await relays[0].settle(claim, due, host="mx", status="4.7.1", reply="451 later", warned=True)
    assert await relays[0].next_due() == due
    for relay in relays:
        assert await relay.claim() == []
    engine.clock.time = due
    (claim,) = await relays[1].claim()
    (found,) = claim.recipients
    assert (found.attempts, found.warned, found.reply) == (1, True, "451 later")
    assert (found.status, found.host) == ("4.7.1", "mx")


async def test_a_released_claim_is_as_it_was(engine: Engine, intake: Intake, relays: list[Relay]) -> None:
    await put(intake, message(world("b@b.example")), HEAD, b"")
    (claim,) = await relays[0].claim()
    await relays[0].settle(claim, engine.clock.now(), reply="451 later", warned=True)
    (claim,) = await relays[0].claim()
    relays[0].outbox.release(claim)
    assert await relays[0].claim(NOTHING_WANTED) == []
    (again,) = await relays[1].claim()
    assert again.recipients == claim.recipients


async def test_a_relay_that_closes_gives_everything_back(
    engine: Engine, intake: Intake, relay: Relay
) -> None:
    other = await Relay(engine.outbox("relay-3")).start()
    await put(intake, message(world("b@b.example")), HEAD, b"")
    assert len(await other.claim()) == 1
    assert await relay.claim() == []
    await other.outbox.close()
    assert len(await relay.claim()) == 1


async def test_outcomes_wait_for_the_next_claim(intake: Intake, relay: Relay, admin: QueueAdmin) -> None:
    await put(intake, message(world("b@b.example")), HEAD, b"")
    (claim,) = await relay.claim()
    relay.heard.clear()
    relay.outbox.settle(claim, [Outcome(0, None)])
    assert relay.heard.is_set()
    (partition,) = relay.partitions.values()
    assert partition.unsettled
    assert list(admin.entries(Selection())) != []
    await relay.claim(NOTHING_WANTED)
    assert not partition.unsettled
    assert list(admin.entries(Selection())) == []


async def test_what_is_settled_stays_settled(
    engine: Engine, intake: Intake, relay: Relay, admin: QueueAdmin
) -> None:
    await put(intake, message(world("a@b.example"), world("b@b.example")), HEAD, b"")
    (claim,) = await relay.claim()
    relay.outbox.settle(claim, [Outcome(1, None)])
    await relay.settle(claim, engine.clock.now() + 300, reply="451 later")
    (entry,) = admin.entries(Selection())
    assert [one.number for one in entry.recipients] == [0]
    await relay.settle(claim, None)  # it is no longer leased to this relay
    (entry,) = admin.entries(Selection())
    assert [one.reply for one in entry.recipients] == ["451 later"]


async def test_no_more_is_claimed_than_wanted_and_nothing_for_full_destinations(
    intake: Intake, relay: Relay
) -> None:
    for number in range(20):
        await put(intake, message(world(f"p{number}@b.example")), HEAD, b"")
    await put(intake, message(world("p@c.example")), HEAD, b"")
    assert await relay.claim(NOTHING_WANTED) == []
    assert [one.destination for one in await relay.claim(Wanted(10, ["b.example"]))] == ["c.example"]
    assert len(await relay.claim(Wanted(15))) == 15
    assert len(await relay.claim(Wanted(15))) == 5


async def test_the_limit_does_not_part_who_travels_together(intake: Intake, relay: Relay) -> None:
    await put(intake, message(*(world(f"p{number}@b.example") for number in range(30))), HEAD, b"")
    (claim,) = await relay.claim(Wanted(10))
    assert len(claim.recipients) == 30


async def test_postponing_leaves_what_has_to_be_reported_on(
    engine: Engine, intake: Intake, relay: Relay, admin: QueueAdmin
) -> None:
    now = engine.clock.now()
    for age in (10.0, 20_000.0, 900_000.0):
        await put(intake, message(world(f"p{age:.0f}@b.example"), arrived=now - age), HEAD, b"")
    await put(intake, message(world("other@c.example"), arrived=now - 10), HEAD, b"")
    await put(intake, message(world("held@b.example"), arrived=now - 10), HEAD, b"")
    assert admin.change(list(admin.entries(Selection(recipient="held@*"))), QueueAction.HOLD) == 1
    what = Postponement("b.example", 300.0, 14_400.0, "mx", "4.4.1", "no", now - 432_000, now - 14_400)
    assert await relay.outbox.postpone(what) == 1
    assert await relay.outbox.postpone(what) == 0
    claimed = {claim.recipients[0].address for claim in await relay.claim()}
    assert claimed == {"p20000@b.example", "p900000@b.example", "other@c.example"}
    (entry,) = admin.entries(Selection(recipient="p10@*"))
    (found,) = entry.recipients
    assert found.due is not None
    assert 225 <= found.due - now <= 375
    assert (found.attempts, found.status, found.reply, found.host) == (0, "4.4.1", "no", "mx")


async def test_what_is_leased_is_not_postponed(engine: Engine, intake: Intake, relays: list[Relay]) -> None:
    now = engine.clock.now()
    await put(intake, message(world("b@b.example")), HEAD, b"")
    assert len(await relays[0].claim()) == 1
    what = Postponement("b.example", 300.0, 14_400.0, "mx", "4.4.1", "no", now - 432_000, now - 14_400)
    for relay in relays:
        assert await relay.outbox.postpone(what) == 0


async def test_the_id_of_what_left_this_host_is_remembered(intake: Intake, relay: Relay) -> None:
    for left in (True, False):
        envelope = message(world("b@b.example"), origin=Origin.INBOUND, repeatable=True)
        await put(intake, envelope, HEAD, b"")
        (claim,) = await relay.claim()
        await relay.settle(claim, None, left=left)
        draft = intake.draft()
        draft.write(HEAD)
        assert await intake.accept(envelope, HEAD, draft, len(HEAD)) is not left


async def test_relays_hear_of_new_mail(intake: Intake, relays: list[Relay]) -> None:
    for relay in relays:
        relay.heard.clear()
    await put(intake, message(world("b@b.example")), HEAD, b"")
    async with asyncio.timeout(30):
        for relay in relays:
            await relay.heard.wait()


async def test_relays_hear_of_what_an_operator_does(intake: Intake, relay: Relay, admin: QueueAdmin) -> None:
    await put(intake, message(world("b@b.example")), HEAD, b"")
    async with asyncio.timeout(30):
        await relay.heard.wait()
    entries = list(admin.entries(Selection()))
    relay.heard.clear()
    admin.change(entries, QueueAction.HOLD)
    async with asyncio.timeout(30):
        await relay.heard.wait()
    assert await relay.claim() == []
    relay.heard.clear()
    admin.change(entries, QueueAction.RELEASE)
    async with asyncio.timeout(30):
        await relay.heard.wait()
    assert len(await relay.claim()) == 1
