"""kill -9 of any agent of two companies under load: what was acknowledged arrives, and nothing twice at home."""

from collections.abc import Callable

import pytest

from ..amounts import amount
from ..conftest import Sandbox
from ..kill_agents import ARGUMENTS, kill_and_count

pytestmark = [pytest.mark.soak, pytest.mark.timeout(14_400)]


def test_what_was_acknowledged_arrives(start_sandbox: Callable[..., Sandbox]) -> None:
    figures = kill_and_count(start_sandbox(*ARGUMENTS), kills=amount(12, 300), pause=0.5)
    print(figures)
    assert figures["messages"] >= 10
