"""Turns between destinations."""

import asyncio

from postroom.contracts.outbox import Claim, ClaimedMessage, ClaimedRecipient
from postroom.contracts.queue import Hop, Origin
from postroom.couriers.parcel import Result
from postroom.relay.dispatch import Dispatcher, Lane
from postroom.wire.smtp.replies import Reply


def claim(destination: str, number: int = 0) -> Claim:
    message = ClaimedMessage(
        str(number), 0.0, "", Origin.LOCAL, 0, "", "", False, "", "", "", False, "", "", "", ""
    )
    recipient = ClaimedRecipient(0, "x", "", "", "", "", 0, False, "", "", "")
    return Claim(None, message, Hop.WORLD, destination, "", (recipient,), None, 0.0, False)


class Gate:
    """Deliveries that end when they are told to."""

    def __init__(self, total: int = 100, per_destination: int = 5) -> None:
        self.running: list[tuple[str, asyncio.Event]] = []
        self.most: dict[str, int] = {}
        self.lanes: dict[str, Lane] = {}
        self.dispatcher = Dispatcher(self.deliver, lambda: None, total, per_destination)

    async def deliver(self, lane: Lane, one: Claim) -> None:
        event = asyncio.Event()
        self.lanes[lane.destination] = lane
        self.running.append((lane.destination, event))
        count = sum(name == lane.destination for name, _ in self.running)
        self.most[lane.destination] = max(self.most.get(lane.destination, 0), count)
        await event.wait()
        self.dispatcher.succeeded(lane)

    async def end_one(self) -> None:
        self.running.pop(0)[1].set()
        for _ in range(5):
            await asyncio.sleep(0)


async def test_a_destination_starts_slowly_and_never_exceeds_its_share() -> None:
    gate = Gate(per_destination=4)
    for number in range(40):
        assert gate.dispatcher.submit(claim("a", number))
    await asyncio.sleep(0)
    assert len(gate.running) == 2
    while gate.running:
        await gate.end_one()
    assert gate.most["a"] == 4
    assert gate.dispatcher.held == 0


async def test_a_busy_destination_leaves_room_for_others() -> None:
    gate = Gate(total=4, per_destination=50)
    for number in range(30):
        gate.dispatcher.submit(claim("busy", number))
    for name in "bcd":
        gate.dispatcher.submit(claim(name))
    order = []
    while gate.running or not order:
        await asyncio.sleep(0)
        order += [name for name, _ in gate.running[:1]]
        await gate.end_one()
    assert max(order.index(name) for name in "bcd") < 10


async def test_a_full_lane_refuses_until_half_is_done() -> None:
    gate = Gate(per_destination=1)
    window = gate.dispatcher.window()
    assert all(gate.dispatcher.submit(claim("a", number)) for number in range(window))
    assert not gate.dispatcher.submit(claim("a"))
    assert gate.dispatcher.full() == ["a"]
    await asyncio.sleep(0)
    for _ in range(window // 2):
        assert gate.dispatcher.full() == ["a"]
        await gate.end_one()
    assert gate.dispatcher.full() == []
    for _, event in gate.running:
        event.set()
    assert len(await gate.dispatcher.stop()) + 1 <= window


async def test_what_waits_for_an_unreachable_destination_is_handed_back() -> None:
    gate = Gate()
    for number in range(10):
        gate.dispatcher.submit(claim("dead", number))
    await asyncio.sleep(0)
    waiting = gate.dispatcher.unreachable(gate.lanes["dead"], 100.0, Result(Reply(451)))
    assert len(waiting) == 8
    assert gate.dispatcher.held == 2
    while gate.running:
        await gate.end_one()
    gate.dispatcher.forget_old(1000.0)
    assert gate.dispatcher.held == 0
