"""How many calls of the store a command takes: a number that does not grow with the messages or mailboxes.

Contents are read in windows, of which a test says how many there may be.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from postroom.contracts.account import NewMessage

from ...contracts.far_store import FarStore
from .conftest import Server, ask, logged_in

pytestmark = pytest.mark.parametrize("server", ["far"], indirect=True)
CONTENT = b"From: Ada <ada@alpha.example>\r\nSubject: number %d\r\nX-Number: %d\r\n\r\nwords and %d\r\n"


async def _fill(server: Server, count: int) -> None:
    account = await _store(server).near.account("ada", "ada")
    await account.append("INBOX", [NewMessage(CONTENT % (number, number, number)) for number in range(count)])


def _store(server: Server) -> FarStore:
    assert isinstance(server.store, FarStore)
    return server.store


@contextmanager
def _calls(server: Server, most: int) -> Iterator[None]:
    calls = _store(server).calls
    calls.clear()
    yield
    assert calls.total() <= most, dict(calls)


async def test_select_and_flags_of_2000_messages(server: Server) -> None:
    await _fill(server, 2000)
    peer = await logged_in(server)
    with _calls(server, 2):
        await ask(peer, b"SELECT INBOX")
        heard = await ask(peer, b"FETCH 1:* (FLAGS)")
    assert heard.count(b" FETCH (FLAGS ") == 2000


async def test_list_with_status_of_50_mailboxes(server: Server) -> None:
    account = await _store(server).near.account("ada", "ada")
    for number in range(50):
        await account.create(f"box {number}")
    peer = await logged_in(server)
    with _calls(server, 3):
        heard = await ask(peer, b'LIST "" * RETURN (STATUS (MESSAGES UNSEEN UIDNEXT))')
    assert heard.count(b"* STATUS ") == 56


@pytest.mark.parametrize(
    ("items", "most"),
    [
        (b"(UID ENVELOPE BODYSTRUCTURE)", 2),
        (b"(UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])", 1 + 4),
        (b"(BODY.PEEK[])", 1 + 4),
        (b"(BODY[])", 3 + 4),
    ],
)
async def test_fetch_of_200_messages(server: Server, items: bytes, most: int) -> None:
    await _fill(server, 200)
    peer = await logged_in(server)
    await ask(peer, b"SELECT INBOX")
    with _calls(server, most):
        heard = await ask(peer, b"FETCH 1:200 " + items)
    assert heard.count(b" FETCH (") == 200


@pytest.mark.parametrize(
    ("keys", "most", "found"),
    [
        (b"TEXT words", 1 + 1 + 1 + 2 * 4, 200),
        (b"UNSEEN LARGER 10", 1, 200),
        (b"HEADER X-Number 17", 1 + 1 + 4, 12),
        (b"SUBJECT 199", 1 + 1 + 1, 1),
        (b"1:100 OR 5 UID 7", 1, 2),
    ],
)
async def test_search_in_200_messages(server: Server, keys: bytes, most: int, found: int) -> None:
    await _fill(server, 200)
    peer = await logged_in(server)
    await ask(peer, b"SELECT INBOX")
    with _calls(server, most):
        heard = await ask(peer, b"SEARCH " + keys)
    assert len(heard.splitlines()[0].split()) - 2 == found


async def test_idle_hears_of_a_delivery(server: Server) -> None:
    peer = await logged_in(server)
    await ask(peer, b"SELECT INBOX")
    peer.writer.write(b"i IDLE\r\n")
    assert (await peer.line()).startswith(b"+")
    with _calls(server, 2):
        await server.deliver("ada", CONTENT % (1, 1, 1))
        async with asyncio.timeout(10):
            assert await peer.line() == b"* 1 EXISTS"
