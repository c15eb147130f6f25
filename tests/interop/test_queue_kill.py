"""kill -9 of relay and mda under load, a few times; tests/soak does it often."""

from ..kill_queue import kill_and_count


async def test_nothing_is_lost_and_nothing_comes_twice() -> None:
    await kill_and_count(kills=6, messages=600, seed=1)
