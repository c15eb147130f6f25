"""A running site."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ...smtp_site import Site, running


@pytest.fixture
async def site(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """Servers with the settings of the test's `settings` mark, and without DNS checks unless it asks for them."""
    mark = request.node.get_closest_marker("settings")
    async with running(tmp_path, {"verify_authentication": False, **(mark.kwargs if mark else {})}) as found:
        yield found
