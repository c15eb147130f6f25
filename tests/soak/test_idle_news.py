"""Idling sessions of 50 accounts, 5,000 of them in `make soak`: 99 of 100 hear of a delivery within a second."""

import resource
from pathlib import Path

import pytest

from ..amounts import amount
from ..idlers import Crowd

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]
SESSIONS = amount(500, 5000)


async def test_news_of_idling_sessions(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Crowd(tmp_path, accounts=50, sessions=SESSIONS)
    await crowd.start()
    waited = sorted(await crowd.deliver(rounds=3, pause=0.1))
    await crowd.stop()
    figures = {share: round(waited[int(len(waited) * share)], 3) for share in (0.5, 0.9, 0.99, 0.999)}
    print(f"{len(waited)} news, seconds: {figures}")
    assert len(waited) == 3 * SESSIONS
    assert figures[0.99] <= 1
