"""Reading ahead: how many calls it takes, and what is held."""

import pytest
from postroom.contracts.account import Content
from postroom.contracts.errors import MessageGone, Unavailable
from postroom.store.ahead import MESSAGES, ReadAhead


class Engine:
    """Messages that are their number, written out; those in `gone` are expunged."""

    def __init__(self, uids: range, window: int = MESSAGES) -> None:
        self.windows: list[list[int]] = []
        self.single: list[int] = []
        self.gone: set[int] = set()
        self._window = window
        self.ahead = ReadAhead(uids, self._read, self._one)

    async def _read(self, uids: object) -> tuple[Content, ...]:
        wanted = list(uids)[: self._window]  # type: ignore[call-overload]
        self.windows.append(wanted)
        return tuple(
            Content(uid, error=MessageGone()) if uid in self.gone else Content(uid, b"%d" % uid)
            for uid in wanted
        )

    async def _one(self, uid: int) -> bytes:
        self.single.append(uid)
        return b"%d" % uid


async def test_messages_in_order_are_read_in_windows() -> None:
    engine = Engine(range(1, 201), window=50)
    assert [await engine.ahead.read(uid) for uid in range(1, 201)] == [b"%d" % uid for uid in range(1, 201)]
    assert [len(window) for window in engine.windows] == [50] * 4
    assert engine.single == []


async def test_messages_out_of_order_are_read_alone() -> None:
    engine = Engine(range(1, 101))
    for uid in (40, 3, 99, 7):
        assert await engine.ahead.read(uid) == b"%d" % uid
    assert (engine.windows, engine.single) == ([], [40, 3, 99, 7])
    await engine.ahead.read(8)  # from here on in order
    assert engine.windows == [list(range(8, 8 + MESSAGES))]


async def test_a_message_that_is_left_out_does_no_harm() -> None:
    engine = Engine(range(1, 11))
    engine.gone = {3}
    assert await engine.ahead.read(1) == b"1"
    with pytest.raises(MessageGone):
        await engine.ahead.read(3)
    assert await engine.ahead.read(4) == b"4"
    assert await engine.ahead.read(4) == b"4"  # again: read anew
    assert (len(engine.windows), engine.single) == (1, [4])


async def test_the_last_message_needs_no_window() -> None:
    engine = Engine(range(5, 6))
    assert await engine.ahead.read(5) == b"5"
    assert (engine.windows, engine.single) == ([], [5])


async def test_a_fault_about_one_message_spoils_no_other() -> None:
    engine = Engine(range(1, 11))

    async def faulty(uids: object) -> tuple[Content, ...]:
        raise ValueError("a fault of ours")

    async def failing(uids: object) -> tuple[Content, ...]:
        raise Unavailable

    ahead = ReadAhead(range(1, 11), faulty, engine._one)
    assert [await ahead.read(uid) for uid in (1, 2, 3)] == [b"1", b"2", b"3"]
    with pytest.raises(Unavailable):
        await ReadAhead(range(1, 11), failing, engine._one).read(1)
