"""Claims, leases and outcomes: what one relay and two relays may see of a spool."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from postroom.contracts.errors import MessageGone
from postroom.contracts.outbox import Claim, Outcome, Postponement, Wanted
from postroom.contracts.queueadmin import QueueAction, Selection
from postroom.queue.sqlite import admin
from postroom.queue.sqlite.lifecycle import Spool
from postroom.queue.sqlite.owners import OwnerFile, Owners, dead_owners
from postroom.queue.sqlite.reader import SpoolReader
from postroom.queue.sqlite.settling import Settlement

from ....relay_site import CLOCK, fail, mailbox, message, put, world

HEAD = b"Subject: x\r\n\r\n"
NOW = 2_000_000_000.0  # after every arrival
ALL = Wanted(1000)


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    spool = Spool(str(tmp_path / "mta"), 1, CLOCK, fail, run_directory=str(tmp_path))
    spool.open()
    yield spool
    await spool.close()


def rows(claims: list[Claim]) -> list[tuple[str, int]]:
    return [(claim.message.id, row.number) for claim in claims for row in claim.recipients]


def done(claims: list[Claim], due: float | None = None) -> list[Settlement]:
    return [(claim.handle.seq, Outcome(row.number, due)) for claim in claims for row in claim.recipients]


async def test_recipients_of_one_destination_travel_together(spool: Spool) -> None:
    people = [world(f"p{number}@b.example") for number in range(150)] + [world("x@c.example"), mailbox(1)]
    await put(spool, message(*people), HEAD, b"text")
    claims = SpoolReader(spool.path, "me").turnover([], ALL, NOW, NOW + 60)
    assert sorted((claim.destination, len(claim.recipients)) for claim in claims) == [
        ("b.example", 50), ("b.example", 100), ("c.example", 1), ("mail.alpha.example", 1)
    ]  # fmt: skip
    assert claims[0].content is not None
    assert b"".join(claims[0].content.chunks()) == HEAD + b"text"


async def test_who_travels_together_does_so_again(spool: Spool) -> None:
    """Else the other server could not see that it is the same message (RFC 5321 section 6.1)."""
    groups = [[world(f"p{number}@b{place}.example") for number in range(35)] for place in range(4)]
    for group in groups:
        await put(spool, message(*group, mailbox(1)), HEAD, b"text")
    reader = SpoolReader(spool.path, "me")
    found = []
    for limit in (1, 40, 50, 999):
        parts = []
        while claims := reader.turnover([], Wanted(limit), NOW, NOW + 60):
            parts += [(claim.message.id, tuple(row.number for row in claim.recipients)) for claim in claims]
        found.append(sorted(parts))
        reader.release("me", NOW)
    assert [len(parts) for parts in found] == [8] * 4
    assert found.count(found[0]) == 4


async def test_what_is_claimed_is_nobody_elses_until_the_lease_ends(spool: Spool) -> None:
    await put(spool, message(mailbox(1)), HEAD, b"x")
    mine, yours = SpoolReader(spool.path, "me"), SpoolReader(spool.path, "you")
    claims = mine.turnover([], ALL, NOW, NOW + 60)
    assert len(claims) == 1
    assert yours.turnover([], ALL, NOW + 59, NOW + 119) == []
    assert mine.turnover([], ALL, NOW + 100, NOW + 160) == []  # still in hand
    assert rows(yours.turnover([], ALL, NOW + 61, NOW + 121)) == rows(claims)
    mine.turnover(done(claims), Wanted(0), NOW + 62, NOW + 122)  # too late: it is somebody else's
    assert len(list(admin.entries([spool.path], Selection()))) == 1


async def test_a_relay_that_died_is_known_by_its_lock(spool: Spool, tmp_path: Path) -> None:
    await put(spool, message(mailbox(1)), HEAD, b"x")
    alive = OwnerFile(str(tmp_path), "alive")
    (tmp_path / "dead.owner").touch()
    SpoolReader(spool.path, "dead").turnover([], ALL, NOW, NOW + 60)
    assert dead_owners(str(tmp_path)) == ["dead"]
    reader = SpoolReader(spool.path, "alive")
    assert reader.release("dead", NOW) == 1
    assert len(reader.turnover([], ALL, NOW, NOW + 60)) == 1
    alive.close()


async def test_a_clock_that_jumps_ends_no_lease_of_a_relay_that_lives(spool: Spool, tmp_path: Path) -> None:
    await put(spool, message(mailbox(1)), HEAD, b"x")
    alive = OwnerFile(str(tmp_path / "mta"), "mine")
    steady = 0.0
    owners = Owners(str(tmp_path / "mta"), steady=lambda: steady)
    mine, yours = SpoolReader(spool.path, "mine", owners), SpoolReader(spool.path, "yours", owners)
    claims = mine.turnover([], ALL, NOW, NOW + 60)
    for jumped in (NOW + 3600, NOW - 86_400):
        later = Postponement("mail.alpha.example", 10, 20, "h", "4.0.0", "451 no", jumped - 1e9, jumped - 1e9)
        assert yours.turnover([], ALL, jumped, jumped + 60) == []
        assert yours.postpone(later, jumped) == 0
        yours.pull_in(jumped + 7200, jumped)
        entries = list(admin.entries([spool.path], Selection()))
        assert [
            admin.change(entries, what, jumped)
            for what in (QueueAction.RETRY, QueueAction.HOLD, QueueAction.DELETE)
        ] == [0] * 3
        assert entries[0].recipients[0].claimed
    mine.renew(NOW + 3660)
    mine.turnover(done(claims), Wanted(0), NOW + 3600, NOW + 3660)
    assert list(admin.entries([spool.path], Selection())) == []
    alive.close()


async def test_a_lease_without_its_owner_ends_although_the_clock_was_set_back(
    spool: Spool, tmp_path: Path
) -> None:
    """After a restore, for example: nobody knows the one who claimed it."""
    await put(spool, message(mailbox(1)), HEAD, b"x")
    SpoolReader(spool.path, "gone").turnover([], ALL, NOW + 1e6, NOW + 1e6 + 60)
    reader = SpoolReader(spool.path, "me", Owners(str(tmp_path)))
    assert reader.turnover([], ALL, NOW, NOW + 60) == []
    reader.pull_in(NOW + 7200, NOW)
    assert len(reader.turnover([], ALL, NOW, NOW + 60)) == 1


def test_an_owner_is_believed_to_live_for_a_moment_only(tmp_path: Path) -> None:
    steady = 0.0
    owners = Owners(str(tmp_path), steady=lambda: steady)
    assert not owners.alive("one")
    one = OwnerFile(str(tmp_path), "one")
    assert owners.alive("one")
    one.close()
    steady = 2.0
    assert not owners.alive("one")
    assert list(tmp_path.iterdir()) == []


async def test_a_message_goes_with_its_last_recipient_and_its_file_with_it(
    spool: Spool, tmp_path: Path
) -> None:
    await put(spool, message(mailbox(1), world("b@b.example")), HEAD, b"x" * 300_000)
    reader = SpoolReader(spool.path, "me")
    first, second = reader.turnover([], ALL, NOW, NOW + 60)
    reader.turnover(done([first]), Wanted(0), NOW, NOW + 60)
    assert len(list(tmp_path.glob("mta/*.body"))) == 1
    reader.turnover(done([second]), Wanted(0), NOW, NOW + 60)
    assert not list(tmp_path.glob("mta/*.body"))
    assert list(admin.entries([spool.path], Selection())) == []


async def test_a_file_goes_only_when_its_message_is_gone_for_good(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut a row must not come back without its body: the sender would be told that it failed."""
    await put(spool, message(mailbox(1)), HEAD, b"x" * 300_000)
    reader = SpoolReader(spool.path, "me")
    claims = reader.turnover([], ALL, NOW, NOW + 60)
    done_at_disk: list[str] = []
    sync, unlink = os.fsync, os.unlink

    def synced(descriptor: int) -> None:
        done_at_disk.append(os.readlink(f"/proc/self/fd/{descriptor}").rpartition("/")[2])
        sync(descriptor)

    def unlinked(path: str) -> None:
        done_at_disk.append(path[-5:])
        unlink(path)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "unlink", unlinked)
    reader.turnover(done(claims), Wanted(0), NOW, NOW + 60)
    assert done_at_disk == ["mta-1.db-wal", ".body"]


@pytest.mark.parametrize("call", ["fsync", "unlink"])
async def test_a_file_that_stays_does_not_stop_the_queue(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    await put(spool, message(mailbox(1)), HEAD, b"x" * 300_000)
    reader = SpoolReader(spool.path, "me")
    claims = reader.turnover([], ALL, NOW, NOW + 60)
    identity = await put(spool, message(mailbox(2)), HEAD, b"x")

    def broken(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, broken)
        claims = reader.turnover(done(claims), ALL, NOW, NOW + 60)
    assert rows(claims) == [(identity, 0)]  # a claim that nobody holds would wait for ever


async def test_full_destinations_do_not_hide_others(spool: Spool) -> None:
    for number in range(300):
        await put(spool, message(world(f"p{number}@b.example")), HEAD, b"x")
    await put(spool, message(world("p@c.example")), HEAD, b"x")
    claims = SpoolReader(spool.path, "me").turnover([], Wanted(10, ["b.example"]), NOW, NOW + 60)
    assert [claim.destination for claim in claims] == ["c.example"]


async def test_medium_bodies_are_loaded_when_their_turn_comes(spool: Spool) -> None:
    await put(spool, message(mailbox(1)), HEAD, b"x" * 100_000)
    reader = SpoolReader(spool.path, "me")
    (claim,) = reader.turnover([], ALL, NOW, NOW + 60)
    assert claim.content is None
    assert b"".join(reader.load(claim.handle.seq).chunks()) == HEAD + b"x" * 100_000
    reader.turnover(done([claim]), Wanted(0), NOW, NOW + 60)
    with pytest.raises(MessageGone):
        reader.load(claim.handle.seq)


async def test_postponing_leaves_what_expires_or_warns_and_what_is_held(spool: Spool) -> None:
    for age in (10.0, 20_000.0, 900_000.0):
        await put(spool, message(world(f"p{age:.0f}@b.example"), arrived=NOW - age), HEAD, b"x")
    await put(spool, message(world("held@b.example"), arrived=NOW - 10), HEAD, b"x")
    held = list(admin.entries([spool.path], Selection(recipient="held@*")))
    assert admin.change(held, QueueAction.HOLD, NOW) == 1
    reader = SpoolReader(spool.path, "me")
    what = Postponement("b.example", 300.0, 14_400.0, "mx", "4.4.1", "no", NOW - 432_000, NOW - 14_400)
    assert reader.postpone(what, NOW) == 1
    assert reader.postpone(what, NOW) == 0
    claims = reader.turnover([], ALL, NOW, NOW + 60)
    assert {claim.recipients[0].address for claim in claims} == {"p20000@b.example", "p900000@b.example"}


async def test_a_clock_set_back_does_not_strand_mail(spool: Spool) -> None:
    await put(spool, message(world("p@b.example"), arrived=NOW), HEAD, b"x")
    reader = SpoolReader(spool.path, "me")
    claims = reader.turnover([], ALL, NOW, NOW + 60)
    reader.turnover(done(claims, NOW + 300), Wanted(0), NOW, NOW)
    yesterday = NOW - 86_400
    assert reader.turnover([], ALL, yesterday, yesterday + 60) == []
    reader.pull_in(yesterday + 3600, yesterday)
    assert len(reader.turnover([], ALL, yesterday, yesterday + 60)) == 1


class TwoRelays(RuleBasedStateMachine):
    """Two relays, an intake and an operator in any order: nothing is claimed twice, nothing is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.spool = Spool(f"{self.folder.name}/mta", 1, CLOCK, fail, run_directory=self.folder.name)
        self.spool.open()
        self.now = NOW
        self.readers = {name: SpoolReader(self.spool.path, name) for name in ("a", "b")}
        self.held: dict[str, dict[tuple[str, int], tuple[int, float]]] = {"a": {}, "b": {}}
        self.left: set[tuple[str, int]] = set()

    @rule(count=st.integers(1, 3))
    def accept(self, count: int) -> None:
        envelope = message(*(world(f"p{number}@d{number % 2}.example") for number in range(count)))
        self.loop.run_until_complete(put(self.spool, envelope, HEAD, b"x"))
        self.left |= {(envelope.id, number) for number in range(count)}

    @rule(name=st.sampled_from("ab"), limit=st.integers(1, 5))
    def claim(self, name: str, limit: int) -> None:
        other = self.held["b" if name == "a" else "a"]
        for claim in self.readers[name].turnover([], Wanted(limit), self.now, self.now + 60):
            for row in claim.recipients:
                key = (claim.message.id, row.number)
                assert key in self.left
                assert key not in self.held[name]
                assert key not in other or other[key][1] <= self.now, "leased to the other one"
                other.pop(key, None)
                self.held[name][key] = (claim.handle.seq, self.now + 60)

    @rule(name=st.sampled_from("ab"), later=st.booleans())
    def settle(self, name: str, later: bool) -> None:
        if self.held[name]:
            key, (seq, _) = self.held[name].popitem()
            outcome = (seq, Outcome(key[1], self.now + 30 if later else None))
            self.readers[name].turnover([outcome], Wanted(0), self.now, self.now + 60)
            if not later:
                self.left.discard(key)

    @rule(seconds=st.sampled_from([10, 70]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(name=st.sampled_from("ab"))
    def die(self, name: str) -> None:
        self.readers[name].release(name, self.now)
        self.held[name].clear()

    @invariant()
    def nothing_is_lost(self) -> None:
        entries = admin.entries([self.spool.path], Selection())
        found = {(entry.id, row.number) for entry in entries for row in entry.recipients}
        assert found == self.left

    def teardown(self) -> None:
        self.loop.run_until_complete(self.spool.close())
        self.loop.close()
        self.folder.cleanup()


TwoRelays.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestTwoRelays = TwoRelays.TestCase
