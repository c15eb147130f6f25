"""The log of what is gone is bounded, and whoever asks from however long ago gets a true answer."""

import random
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from postroom.contracts.account import Changes, FlagMode, MailAccount
from postroom.contracts.store import Delivery
from postroom.store import NoNotices, SqliteStore, open_store
from postroom.store.sqlite import expunged
from postroom.store.sqlite.database import Database

DELETED = frozenset({"\\Deleted"})


class FixedClock:
    def now(self) -> float:
        return 1_700_000_000

    def steady(self) -> float:
        return 0.0


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteStore]:
    monkeypatch.setattr(expunged, "KEPT", 10)
    opened = open_store(str(tmp_path), NoNotices(), FixedClock())
    yield opened
    await opened.close()


async def deliver(store: SqliteStore, first: int, count: int) -> None:
    wanted = [
        Delivery("ada", f"q{number}", "a@x", b"", b"Subject: x\r\n\r\n", 1)
        for number in range(first, first + count)
    ]
    assert set(await store.deliver(wanted)) == {None}


async def remove(ada: MailAccount, *uids: int) -> None:
    await ada.store(1, uids, FlagMode.ADD, DELETED)
    await ada.expunge(1, uids)


def logged(folder: Path) -> int:
    with closing(Database(str(folder / "ada"), 0, 1.0)) as database:
        count: int = database.sql.execute("SELECT count(*) FROM expunged").fetchone()[0]
        return count


class Client:
    """Knows the messages as they were at one time."""

    def __init__(self, known: set[int], modseq: int) -> None:
        self.known = known
        self.modseq = modseq

    def learn(self, changes: Changes) -> None:
        if changes.present is not None:
            self.known.intersection_update(changes.present)
        self.known.difference_update(changes.vanished)
        self.known.update(row.uid for row in changes.rows)
        self.modseq = changes.highestmodseq


async def look(ada: MailAccount) -> Client:
    box = await ada.select("INBOX", False)
    return Client(set(box.uids), box.status.highestmodseq)


async def test_the_log_does_not_grow(store: SqliteStore, tmp_path: Path) -> None:
    await deliver(store, 0, 100)
    ada = await store.account("ada", "ada")
    for uid in range(1, 91):
        await remove(ada, uid)
        assert logged(tmp_path) <= 2 * expunged.KEPT + 1
    late = (await ada.select("INBOX", False)).status.highestmodseq
    await remove(ada, 91, 92)
    assert (await ada.changes(1, late, True)).vanished == (91, 92)
    assert (await ada.changes(1, late, True)).present is None
    early = await ada.changes(1, 1, True)
    assert (early.vanished, list(early.present or ())) == ((), list(range(93, 101)))


@pytest.mark.parametrize("moves", [False, True])
async def test_many_at_once_are_not_written_down_one_by_one(
    store: SqliteStore, tmp_path: Path, moves: bool
) -> None:
    await deliver(store, 0, 50)
    ada = await store.account("ada", "ada")
    client = await look(ada)
    await (ada.move(1, range(2, 50), "Trash") if moves else remove(ada, *range(2, 50)))
    assert logged(tmp_path) == 1
    client.learn(await ada.changes(1, client.modseq, True))
    assert client.known == {1, 50}
    await remove(ada, 50)
    again = await ada.changes(1, client.modseq, True)
    assert (again.vanished, again.present) == ((50,), None)


async def test_a_long_log_of_before_is_shortened(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expunged, "KEPT", 1000)
    await deliver(store, 0, 60)
    ada = await store.account("ada", "ada")
    for uid in range(1, 50):
        await remove(ada, uid)
    assert logged(tmp_path) == 49
    monkeypatch.setattr(expunged, "KEPT", 10)
    await ada.rename("INBOX", "Old")
    assert logged(tmp_path) <= 21


@pytest.mark.parametrize("seed", range(5))
async def test_every_client_learns_what_is_true(store: SqliteStore, seed: int) -> None:
    chooser = random.Random(seed)
    ada = await store.account("ada", "ada")
    clients: list[Client] = []
    number = 0
    for _ in range(60):
        clients.append(await look(ada))
        present = sorted(clients[-1].known)
        match chooser.randrange(4):
            case 0 | 1:
                count = chooser.randrange(1, 8)
                await deliver(store, number, count)
                number += count
            case 2 if present:
                await remove(ada, *chooser.sample(present, chooser.randrange(1, len(present) + 1)))
            case 3 if present:
                await ada.move(1, [chooser.choice(present)], chooser.choice(["INBOX", "Trash"]))
        for client in chooser.sample(clients, len(clients) // 3):
            client.learn(await ada.changes(1, client.modseq, True))
    truth = (await look(ada)).known
    for client in clients:
        client.learn(await ada.changes(1, client.modseq, True))
        assert client.known == truth
