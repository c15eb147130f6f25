"""How many workers a service runs by itself: the rule, and what a host or a container says about its capacity."""

import os
from pathlib import Path

import pytest
from postroom.runtime.worker_count import Capacity, find_capacity, reason, workers_in

UNIT = "system.slice/postroom-imap.service"


@pytest.mark.parametrize(
    ("capacity", "right"),
    [
        (Capacity(1, 24_000), 1),
        (Capacity(2, 1_960), 2),  # a host of 2 GiB
        (Capacity(2, 970), 1),  # a host of 1 GiB
        (Capacity(2, 100), 1),
        (Capacity(4, 1_960), 3),
        (Capacity(8, 32_000, 2_048), 8),
        (Capacity(8, 32_000, 256), 4),
        (Capacity(8, 32_000, 10), 1),
        (Capacity(96, 256_000, 1_024), 16),
        (Capacity(96, 256_000), 16),
    ],
)
def test_one_worker_per_core_where_memory_allows(capacity: Capacity, right: int) -> None:
    assert workers_in(capacity) == right
    assert reason(capacity).startswith(
        f"workers: {right} for {capacity.cores} cores and {capacity.host_mib} MiB of memory"
    )


def test_an_own_limit_is_told() -> None:
    assert reason(Capacity(2, 4_000, 1_024)).endswith("4000 MiB of memory, 1024 MiB for this service")


def cgroups(folder: Path, limits: dict[str, str]) -> Path:
    for name, text in limits.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n")
    return folder


def own_line(folder: Path, text: str) -> Path:
    path = folder / "own"
    path.write_text(text)
    return path


@pytest.mark.parametrize("ours", [f"0::/{UNIT}\n", f"1:name=systemd:/x\n0::/{UNIT}\n"])
def test_limits_of_container_and_unit_are_told_apart(tmp_path: Path, ours: str) -> None:
    limits = {
        "memory.max": str(1 << 30),
        "cpu.max": "150000 100000",
        "system.slice/memory.max": "max",
        f"{UNIT}/memory.max": str(256 << 20),
        f"{UNIT}/cpu.max": "max 100000",
    }
    capacity = find_capacity(cgroups(tmp_path / "cgroup", limits), own_line(tmp_path, ours))
    assert capacity.own_mib == 256
    assert capacity.host_mib == min(1024, (os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) >> 20)
    assert capacity.cores == min(2, len(os.sched_getaffinity(0)))


def test_limits_of_a_slice_are_those_of_a_small_host(tmp_path: Path) -> None:
    limits = {"system.slice/memory.max": str(64 << 20), f"{UNIT}/cpu.max": "10000 100000"}
    capacity = find_capacity(cgroups(tmp_path / "cgroup", limits), own_line(tmp_path, f"0::/{UNIT}\n"))
    assert capacity == Capacity(1, 64)


@pytest.mark.parametrize("ours", ["", "0::/\n", "0::/../outside\n", "12:memory:/old\n"])
def test_no_unit_and_no_limits_is_the_whole_host(tmp_path: Path, ours: str) -> None:
    capacity = find_capacity(cgroups(tmp_path / "cgroup", {"memory.max": "max"}), own_line(tmp_path, ours))
    memory = (os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) >> 20
    assert capacity == Capacity(len(os.sched_getaffinity(0)), memory)


def test_a_container_without_units_has_what_its_root_allows(tmp_path: Path) -> None:
    capacity = find_capacity(
        cgroups(tmp_path / "cgroup", {"memory.max": str(700 << 20)}), own_line(tmp_path, "0::/\n")
    )
    assert (capacity.host_mib, capacity.own_mib, workers_in(capacity)) == (700, None, 1)


def test_nothing_can_be_read_and_yet_there_is_an_answer(tmp_path: Path) -> None:
    assert workers_in(find_capacity(tmp_path / "none", tmp_path / "none")) >= 1
