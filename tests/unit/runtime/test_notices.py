"""News from process to process."""

import asyncio
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
