"""How many workers a service runs by itself: the rule, and what a host or a container says about its room."""

import os
from pathlib import Path

import pytest
from postroom.runtime.headcount import Room, find_room, reason, workers_in

UNIT = "system.slice/postroom-imap.service"


@pytest.mark.parametrize(
    ("room", "right"),
    [
        (Room(1, 24_000), 1),
        (Room(2, 1_960), 2),  # a host of 2 GiB
        (Room(2, 970), 1),  # a host of 1 GiB
        (Room(2, 100), 1),
        (Room(4, 1_960), 3),
        (Room(8, 32_000, 2_048), 8),
        (Room(8, 32_000, 256), 4),
        (Room(8, 32_000, 10), 1),
        (Room(96, 256_000, 1_024), 16),
        (Room(96, 256_000), 16),
    ],
)
def test_one_worker_per_core_where_memory_allows(room: Room, right: int) -> None:
    assert workers_in(room) == right
    assert reason(room).startswith(
        f"workers: {right} for {room.cores} cores and {room.host_mib} MiB of memory"
    )


def test_an_own_limit_is_told() -> None:
    assert reason(Room(2, 4_000, 1_024)).endswith("4000 MiB of memory, 1024 MiB for this service")


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
    room = find_room(cgroups(tmp_path / "cgroup", limits), own_line(tmp_path, ours))
    assert room.own_mib == 256
    assert room.host_mib == min(1024, (os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) >> 20)
    assert room.cores == min(2, len(os.sched_getaffinity(0)))


def test_limits_of_a_slice_are_those_of_a_small_host(tmp_path: Path) -> None:
    limits = {"system.slice/memory.max": str(64 << 20), f"{UNIT}/cpu.max": "10000 100000"}
    room = find_room(cgroups(tmp_path / "cgroup", limits), own_line(tmp_path, f"0::/{UNIT}\n"))
    assert room == Room(1, 64)


@pytest.mark.parametrize("ours", ["", "0::/\n", "0::/../outside\n", "12:memory:/old\n"])
def test_no_unit_and_no_limits_is_the_whole_host(tmp_path: Path, ours: str) -> None:
    room = find_room(cgroups(tmp_path / "cgroup", {"memory.max": "max"}), own_line(tmp_path, ours))
    memory = (os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) >> 20
    assert room == Room(len(os.sched_getaffinity(0)), memory)


def test_a_container_without_units_has_what_its_root_allows(tmp_path: Path) -> None:
    room = find_room(
        cgroups(tmp_path / "cgroup", {"memory.max": str(700 << 20)}), own_line(tmp_path, "0::/\n")
    )
    assert (room.host_mib, room.own_mib, workers_in(room)) == (700, None, 1)


def test_nothing_can_be_read_and_yet_there_is_an_answer(tmp_path: Path) -> None:
    assert workers_in(find_room(tmp_path / "none", tmp_path / "none")) >= 1
