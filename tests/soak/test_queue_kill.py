"""kill -9 of relay and mda while messages are accepted into the spool, in many rounds."""

import pytest

from ..amounts import amount
from ..kill_queue import kill_and_count

pytestmark = [pytest.mark.soak, pytest.mark.timeout(36_000)]


@pytest.mark.parametrize("seed", range(amount(1, 5)))
async def test_nothing_is_lost_and_nothing_comes_twice(seed: int) -> None:
    await kill_and_count(kills=amount(6, 30), messages=amount(600, 3000), seed=seed + 1)
