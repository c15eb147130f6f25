"""The number of workers of a service with `workers = 0`: one per core, as far as memory allows."""

import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

MOST: Final = 16  # TasksMax= of the units allows for it
HOST_MIB: Final = 512  # host memory per worker
OWN_MIB: Final = 64  # memory per worker within the service's own limit (MemoryMax=)
_CGROUPS: Final = Path("/sys/fs/cgroup")
_OF_US: Final = Path("/proc/self/cgroup")


class Capacity(NamedTuple):
    """The resources of a service's workers. Memory in MiB; `own_mib` is None for a service without a memory limit."""

    cores: int
    host_mib: int
    own_mib: int | None = None


def workers_in(capacity: Capacity) -> int:
    """Return one per core, at most one per 512 MiB of the host and per 64 MiB of the service's limit, 1 to 16."""
    limits = [capacity.cores, capacity.host_mib // HOST_MIB, MOST]
    if capacity.own_mib is not None:
        limits.append(capacity.own_mib // OWN_MIB)
    return max(1, min(limits))


def reason(capacity: Capacity) -> str:
    """Return a line for the operator: what was chosen, and why."""
    count = workers_in(capacity)
    own = "" if capacity.own_mib is None else f", {capacity.own_mib} MiB for this service"
    return f"workers: {count} for {capacity.cores} cores and {capacity.host_mib} MiB of memory{own}"


def find_capacity(cgroups: Path = _CGROUPS, of_us: Path = _OF_US) -> Capacity:
    """Return what the kernel allows: the limits of the host and container, and of systemd's unit (cgroup v2).

    A fact that the kernel does not give counts as one core or as no memory, so the result is one worker. A limit that
    cannot be read counts as no limit. The root of the hierarchy is the host, or the container that looks like one.
    """
    cores, host = 1.0, 0
    with suppress(OSError):
        cores = float(len(os.sched_getaffinity(0)))
        host = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    own: int | None = None
    unit = _unit(of_us)
    for folder in (cgroups / unit, *(cgroups / unit).parents):
        if not folder.is_relative_to(cgroups):
            break
        cores = min(cores, _cores(folder))
        limit = _octets(folder)
        if limit is None:
            continue
        if unit and folder == cgroups / unit:
            own = limit
        else:
            host = min(host, limit)
    return Capacity(math.ceil(cores), host >> 20, None if own is None else own >> 20)


def _unit(of_us: Path) -> str:
    """Return our cgroup below the root, without a leading slash."""
    with suppress(OSError):
        for line in of_us.read_text().splitlines():
            if line.startswith("0::/") and "/../" not in f"{line}/":
                return line[4:]
    return ""


def _octets(folder: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int((folder / "memory.max").read_text())  # "max" means no limit
    return None


def _cores(folder: Path) -> float:
    with suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text().split()
        return int(quota) / int(period)
    return math.inf
