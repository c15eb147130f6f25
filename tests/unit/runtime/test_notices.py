"""News from process to process."""

import asyncio
import socket
from pathlib import Path

from postroom.runtime.notices import NoticeBoard, Notices


async def test_a_notice_reaches_who_watches_the_account(tmp_path: Path) -> None:
    board = NoticeBoard(str(tmp_path), "imap-1")
    await board.start()
    heard = asyncio.Event()
    wrong: list[str] = []
    board.subscribe("ada", heard.set)
    board.subscribe("bob", lambda: wrong.append("bob"))
    Notices(str(tmp_path)).send("ada")
    await asyncio.wait_for(heard.wait(), 5)
    assert wrong == []
    board.stop()


async def test_nobody_watching_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "dead.sock").touch()
    Notices(str(tmp_path)).send("ada")
    Notices(str(tmp_path / "missing")).send("ada")


async def test_x23_garbage_on_the_socket_is_ignored(tmp_path: Path) -> None:
    board = NoticeBoard(str(tmp_path), "imap-1")
    await board.start()
    heard = asyncio.Event()
    board.subscribe("ada", heard.set)
    teller = Notices(str(tmp_path))
    for garbage in ("", "\x00\x01", "x" * 4000, "b\nada"):
        teller.send(garbage)
    teller.send("ada")
    await asyncio.wait_for(heard.wait(), 5)
    board.stop()


async def test_sockets_of_the_dead_are_taken_away_and_others_stay(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    living = NoticeBoard(str(tmp_path), "living")
    await living.start()
    other = NoticeBoard(str(tmp_path), "other")
    await other.start()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["living.sock", "other.sock"]
    living.stop()
    other.stop()
