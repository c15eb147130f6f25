"""kill -9 of relay and mda under load, often: POSTROOM_KILLS sets how often (300)."""

import os

import pytest

from ..kill_queue import kill_and_count

KILLS = int(os.environ.get("POSTROOM_KILLS", "300"))


@pytest.mark.timeout(36_000)
@pytest.mark.parametrize("seed", range(max(1, KILLS // 30)))
async def test_nothing_is_lost_and_nothing_comes_twice(seed: int) -> None:
    await kill_and_count(kills=30, messages=3000, seed=seed)
