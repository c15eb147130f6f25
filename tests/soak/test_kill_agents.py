"""kill -9 of any agent of two companies under load, in several rounds of their own chance."""

from collections.abc import Callable

import pytest

from ..amounts import amount
from ..conftest import Sandbox
from ..kill_agents import ARGUMENTS, kill_and_count

pytestmark = [pytest.mark.soak, pytest.mark.timeout(36_000)]


@pytest.mark.parametrize("seed", range(amount(1, 3)))
def test_what_was_acknowledged_arrives(start_sandbox: Callable[..., Sandbox], seed: int) -> None:
    figures = kill_and_count(start_sandbox(*ARGUMENTS), kills=amount(12, 100), pause=0.5, seed=seed + 1)
    print(figures)
    assert figures["messages"] >= 10
