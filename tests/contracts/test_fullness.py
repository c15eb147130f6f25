"""The record of full accounts: what the mda writes is what the mta reads."""

from pathlib import Path

import pytest
from postroom.contracts.fullness import FullAccounts, FullnessRecord
from postroom.couriers.fullness import LOOK_EVERY, FullAccountsFolder, FullnessFolder


class MemoryFullness:
    """Both sides in one process."""

    def __init__(self) -> None:
        self._needed: dict[str, int] = {}

    async def full_among(self, accounts: object) -> frozenset[str]:
        return frozenset(self._needed).intersection(accounts)  # type: ignore[call-overload, no-any-return]

    async def recorded(self) -> tuple[str, ...]:
        return tuple(self._needed)

    async def needed(self, account_id: str) -> int:
        return self._needed.get(account_id, 0)

    async def record(self, account_id: str, needed: int) -> None:
        self._needed[account_id] = max(needed, 1)

    async def clear(self, account_id: str) -> None:
        self._needed.pop(account_id, None)


class Steady:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def steady() -> Steady:
    return Steady()


@pytest.fixture(params=["folder", "memory"])
def sides(
    request: pytest.FixtureRequest, tmp_path: Path, steady: Steady
) -> tuple[FullnessRecord, FullAccounts]:
    if request.param == "memory":
        both = MemoryFullness()
        return both, both
    return FullnessFolder(str(tmp_path)), FullAccountsFolder(str(tmp_path), steady)


async def test_what_is_recorded_is_seen(sides: tuple[FullnessRecord, FullAccounts], steady: Steady) -> None:
    record, full = sides
    assert await full.full_among(["ada", "bob"]) == frozenset()
    await record.record("ada", 500)
    await record.record("cyd", 0)
    steady.seconds += LOOK_EVERY
    assert await full.full_among(["ada", "bob"]) == {"ada"}
    assert (await record.needed("ada"), await record.needed("bob")) == (500, 0)
    assert await record.needed("cyd")
    assert set(await record.recorded()) == {"ada", "cyd"}
    await record.clear("ada")
    await record.clear("ada")
    steady.seconds += LOOK_EVERY
    assert await full.full_among(["ada", "bob"]) == frozenset()


async def test_a_record_outlives_its_process_and_a_missing_folder_is_no_error(tmp_path: Path) -> None:
    await FullnessFolder(str(tmp_path)).record("ada", 700)
    assert await FullnessFolder(str(tmp_path)).needed("ada") == 700
    nowhere = FullnessFolder(str(tmp_path / "none"))
    await nowhere.record("ada", 1)
    assert await FullAccountsFolder(str(tmp_path / "none")).full_among(["ada"]) == frozenset()


async def test_x22_a_link_in_place_of_a_record_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"as it was")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "ada").symlink_to(tmp_path / "other")
    await FullnessFolder(str(tmp_path / "full")).record("ada", 5)
    assert (tmp_path / "other").read_bytes() == b"as it was"
