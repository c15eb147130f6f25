"""SharedCounters that are counted over several workers, in the processes that really share them."""

import os
from collections.abc import Callable
from random import Random

import pytest
from postroom.runtime.shared_counters import _PART, SharedCounter, SharedCounters


def in_another_process(work: Callable[[], None]) -> None:
    """Do this in a child that leaves without tidying up, as one that is killed."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_single_process_counts_exactly() -> None:
    counter = SharedCounters(["clients"], 1).seen_by(1, "clients")
    for name in ("a", "a", "b"):
        counter.enter(name)
    counter.leave("b")
    assert (counter.total, counter.local, counter.count("a"), counter.count("b")) == (2, 2, 2, 0)


@pytest.mark.parametrize("workers", [2, 3, 64])
def test_all_workers_are_counted_together(workers: int) -> None:
    counters = SharedCounters(["clients", "accounts"], workers)
    mine = counters.seen_by(1, "clients")

    def enter(worker: int) -> None:
        theirs = counters.seen_by(worker, "clients")
        for name in ("192.0.2.1", "192.0.2.1", f"192.0.2.{worker}"):
            theirs.enter(name)
        theirs.leave("192.0.2.1")

    mine.enter("192.0.2.1")
    for worker in range(2, workers + 1):
        in_another_process(lambda worker=worker: enter(worker))  # type: ignore[misc]
    assert mine.total == 1 + 2 * (workers - 1)
    assert mine.local == 1
    assert mine.count("192.0.2.1") == workers
    assert mine.count("192.0.2.2") == 1
    assert mine.count("198.51.100.1") == 0
    assert counters.seen_by(1, "accounts").total == 0


def test_nobody_who_leaves_remains_in_a_count() -> None:
    counters, random = SharedCounters(["clients"], 2), Random(6)
    first, second = counters.seen_by(1, "clients"), counters.seen_by(2, "clients")
    names = [f"2001:db8:{n:x}::/64" for n in range(3000)]
    entered: list[tuple[SharedCounter, str]] = []
    for _ in range(10_000):
        counter, name = random.choice((first, second)), random.choice(names)
        counter.enter(name)
        entered.append((counter, name))
    random.shuffle(entered)
    for counter, name in entered:
        counter.leave(name)
    assert first.total == second.total == 0
    assert all(first.count(name) == second.count(name) == 0 for name in names)


def test_a_flood_of_addresses_hides_and_blames_nobody() -> None:
    """ConnectionLimits per client of two and more hold for everybody while 20,000 addresses stand in the other worker."""
    counters = SharedCounters(["clients"], 2)
    flooded, watching = counters.seen_by(2, "clients"), counters.seen_by(1, "clients")
    for n in range(20_000):
        flooded.enter(f"10.0.{n >> 8}.{n & 255}")
    flooded.enter("192.0.2.7")
    flooded.enter("192.0.2.7")
    assert watching.total == 20_002
    assert watching.count("192.0.2.7") >= 2
    others = [watching.count(f"198.51.100.{n}") for n in range(256)]
    assert max(others) <= 4


def test_two_thousand_strangers_count_one_too_many_for_few() -> None:
    counters = SharedCounters(["clients"], 2)
    flooded, watching = counters.seen_by(2, "clients"), counters.seen_by(1, "clients")
    for n in range(2000):
        flooded.enter(f"10.0.{n >> 8}.{n & 255}")
    wrong = sum(watching.count(f"192.0.{n >> 8}.{n & 255}") > 0 for n in range(20_000))
    assert wrong < 40  # 4 are to be expected


def test_the_memory_is_bounded_whoever_comes() -> None:
    assert _PART * 2 < 300_000


def test_workers_that_enter_at_the_same_moment_see_one_another() -> None:
    counters = SharedCounters(["clients"], 2)
    one, other = counters.seen_by(1, "clients"), counters.seen_by(2, "clients")
    one.enter("192.0.2.1")
    other.enter("192.0.2.1")
    assert [counter.total for counter in (one, other)] == [2, 2]
    assert [counter.count("192.0.2.1") for counter in (one, other)] == [2, 2]
    one.leave("192.0.2.1")
    assert (one.total, other.count("192.0.2.1")) == (1, 1)
