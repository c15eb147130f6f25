"""News from process to process."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from postroom.store.sqlite import news
from postroom.store.sqlite.news import News


@pytest.fixture
async def watching(tmp_path: Path) -> AsyncIterator[News]:
    watcher = News(str(tmp_path))
    yield watcher
    watcher.close()


class Sign:
    """Set and forgotten by tests, counted."""

    def __init__(self) -> None:
        self.count = 0
        self._event = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._event.set()

    async def given(self) -> None:
        await asyncio.wait_for(self._event.wait(), 5)
        self._event.clear()


async def test_a_change_reaches_whoever_watches_the_account(tmp_path: Path, watching: News) -> None:
    ada, bob = Sign(), Sign()
    watching.watch("ada", ada)
    watching.watch("bob", bob)
    News(str(tmp_path)).send("ada")
    await ada.given()
    assert bob.count == 0
    watching.unwatch("ada", ada)
    watching.unwatch("ada", ada)
    sender = News(str(tmp_path))
    sender.send("ada")
    sender.send("bob")
    await bob.given()
    assert ada.count == 1


async def test_nothing_is_lost_when_the_queue_is_full(tmp_path: Path, watching: News) -> None:
    """A watcher that does not read for a while hears of every account, also of those that came behind the tenth."""
    signs = {f"p{number}": Sign() for number in range(2000)}
    for account, sign in signs.items():
        watching.watch(account, sign)
    silent = Sign()
    watching.watch("silent", silent)
    sender = News(str(tmp_path))
    for account in signs:  # no turn of the loop in between: nobody reads
        sender.send(account)
    for sign in signs.values():
        await sign.given()
    assert silent.count <= 1  # its slot may be another's
    first = signs["p1"].count
    sender.send("p1")
    await signs["p1"].given()
    assert signs["p1"].count == first + 1


async def test_a_watcher_that_does_not_read_costs_others_nothing(tmp_path: Path, watching: News) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stalled:
        stalled.bind(str(tmp_path / "stalled.sock"))
        ada = Sign()
        watching.watch("ada", ada)
        sender = News(str(tmp_path))
        for _ in range(2000):
            sender.send("ada")
            await ada.given()
    assert ada.count == 2000


async def test_marks_of_two_senders_differ(tmp_path: Path) -> None:
    marks = set()
    for _ in range(3):
        sender = News(str(tmp_path))
        for _ in range(3):
            sender.send("ada")
            marks.add((tmp_path / news.MARKS).read_bytes())
        sender.close()
    assert len(marks) == 9


async def test_a_table_that_cannot_be_read_means_that_all_may_have_changed(
    tmp_path: Path, watching: News, monkeypatch: pytest.MonkeyPatch
) -> None:
    signs = [Sign() for _ in range(5)]
    for number, sign in enumerate(signs):
        watching.watch(f"p{number}", sign)

    def failing(*_: object) -> bytes:
        raise OSError("read error")

    sender = News(str(tmp_path))
    monkeypatch.setattr(os, "pread", failing)
    for _ in range(600):
        sender.send("p0")
    for sign in signs:
        await sign.given()


async def test_nobody_watching_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "dead.sock").touch()
    News(str(tmp_path)).send("ada")
    News(str(tmp_path / "missing")).send("ada")
    with pytest.raises(OSError, match="missing"):
        News(str(tmp_path / "missing")).watch("ada", lambda: None)


async def test_x23_garbage_on_the_socket_is_ignored(tmp_path: Path, watching: News) -> None:
    ada = Sign()
    watching.watch("ada", ada)
    sender = News(str(tmp_path))
    for garbage in ("", "\x00\x01", "x" * 4000, "b\nada"):
        sender.send(garbage)
    sender.send("ada")
    await ada.given()


async def test_x22_a_link_in_place_of_the_table_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "notice"
    folder.mkdir()
    (tmp_path / "other").write_bytes(b"as it was")
    (folder / news.MARKS).symlink_to(tmp_path / "other")
    News(str(folder)).send("ada")
    assert (tmp_path / "other").read_bytes() == b"as it was"


async def test_sockets_of_the_dead_are_removed_and_others_stay(tmp_path: Path, watching: News) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    other = News(str(tmp_path))
    watching.watch("ada", lambda: None)
    other.watch("ada", lambda: None)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 3
    assert "dead.sock" not in names
    other.close()
    assert len(list(tmp_path.iterdir())) == 2
