"""Limits come from the directory, and the last known ones stay while it cannot be read."""

import pytest
from postroom.contracts.directory import Account
from postroom.contracts.errors import Unavailable
from postroom.store import DirectoryQuotas


class Directory:
    """Holds one account, and can be out of reach."""

    def __init__(self) -> None:
        self.quota_bytes = 500
        self.reachable = True

    async def account(self, account_id: str) -> Account | None:
        if not self.reachable:
            raise Unavailable("no directory")
        return Account("ada", "ada@a.example", quota_bytes=self.quota_bytes) if account_id == "ada" else None


async def test_a_limit_is_that_of_the_directory_now() -> None:
    directory = Directory()
    quotas = DirectoryQuotas(directory)  # type: ignore[arg-type]
    assert await quotas.limit("ada") == 500
    directory.quota_bytes = 700
    assert await quotas.limit("ada") == 700
    assert await quotas.limit("nobody") == 0


async def test_without_a_directory_known_limits_hold_and_others_are_unavailable() -> None:
    directory = Directory()
    quotas = DirectoryQuotas(directory)  # type: ignore[arg-type]
    assert await quotas.limit("ada") == 500
    directory.reachable = False
    assert await quotas.limit("ada") == 500
    with pytest.raises(Unavailable):
        await quotas.limit("bob")
