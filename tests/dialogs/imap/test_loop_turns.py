"""Commands on thousands of messages let other sessions use the event loop in between.

A turn is the work of the loop's thread between two wake-ups of a probe that sleeps for a millisecond, measured in
CPU time, which does not depend on other load of the machine; `make soak` measures by the wall clock.
"""

import asyncio
import gc
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from ...amounts import SOAK, amount
from .conftest import Server

MESSAGES = 10_000 if SOAK else 30_000
LONGEST = 0.05  # seconds that a turn may take whatever the machine, or
SHARE = 1 / 3  # of all the work for the command
COMMANDS = [
    b"FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE)",
    b"FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE)",
    b"FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)]",
    b"STORE 1:* +FLAGS (\\Seen)",
    b"STORE 1:* +FLAGS.SILENT (work)",
    b"UID SEARCH BODY nowhere",
    b"SEARCH OR SUBJECT nowhere UNSEEN",
    b"SEARCH NOT 1:*",
    b"COPY 1:* Archive",
    b"MOVE 1:5000 Trash",
    b"STORE 1:* FLAGS.SILENT (\\Deleted)",
    b"EXPUNGE",
]
MESSAGE = (
    b"From: Ada <ada@alpha.example>\r\nTo: Bob <bob@alpha.example>, Cyd <cyd@alpha.example>\r\nSubject: number %d\r\n"
    b"Message-ID: <%d@alpha.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=xx\r\n\r\n"
    b"--xx\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    + b"Some words of a letter.\r\n" * 40
    + b"--xx--\r\n"
)


class Probe:
    """Measures the turns of the loop it runs in."""

    def __init__(self) -> None:
        self.longest = self.late = 0.0  # CPU seconds of a turn, wall seconds of a delay

    async def run(self) -> None:
        work, clock = time.thread_time(), time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now, then = time.thread_time(), time.perf_counter()
            self.longest, self.late = max(self.longest, now - work), max(self.late, then - clock - 0.001)
            work, clock = now, then


class Client:
    """A blocking client for a thread of its own: its work is not the loop's."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=300)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.socket.recv(1000)

    def send(self, command: bytes) -> None:
        """Send a command. Raises AssertionError when the reply is not OK."""
        self.socket.sendall(b"t " + command + b"\r\n")
        last = b"\r\n"
        while not (last.endswith(b"\r\n") and last[:-2].rpartition(b"\r\n")[2].startswith(b"t ")):
            heard = self.socket.recv(1 << 18)
            assert heard
            last = (last + heard)[-4096:]
        assert last[:-2].rpartition(b"\r\n")[2].startswith(b"t OK"), last


async def fill(server: Server, count: int) -> None:
    """Store a hundred messages, and copy them."""
    for number in range(100):
        await server.deliver("ada", MESSAGE % (number, number))
    ada = await server.store.account("ada", "ada")
    selected = await ada.select("INBOX", True)
    while len(selected.uids) < count:
        await ada.copy(selected.mailbox.id, selected.uids[: count - len(selected.uids)], "INBOX")
        selected = await ada.select("INBOX", True)


@pytest.fixture
def frozen() -> Iterator[None]:
    """Exclude existing objects from garbage collection, as agents do."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
async def client(server: Server, frozen: None) -> AsyncIterator[Client]:
    peer = await asyncio.to_thread(Client, server.ports["imaps"], server.client_tls())
    await asyncio.to_thread(peer.send, b"LOGIN ada@alpha.example secret")
    yield peer
    peer.socket.close()


async def watched(client: Client, command: bytes) -> tuple[Probe, float]:
    """Return what the probe measured during a command, and the CPU seconds of the loop for it."""
    probe = Probe()
    watching = asyncio.ensure_future(probe.run())
    before = time.thread_time()
    await asyncio.to_thread(client.send, command)
    await asyncio.sleep(0.01)  # the last turn is seen too
    work = time.thread_time() - before
    watching.cancel()
    return probe, work


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_no_command_holds_the_loop(server: Server, client: Client) -> None:
    waits = dict.fromkeys(COMMANDS, 1e9)
    for _ in range(amount(1, 5)):
        await fill(server, MESSAGES)
        await asyncio.to_thread(client.send, b"SELECT INBOX")
        for command in COMMANDS:
            probe, work = await watched(client, command)
            assert probe.longest <= max(LONGEST, SHARE * work), (command, probe.longest, work)
            waits[command] = min(waits[command], probe.late)
        ada = await server.store.account("ada", "ada")
        for name in ("Archive", "Trash"):
            await ada.delete(name)
            await ada.create(name)
    if SOAK:  # what else the machine does spoils single rounds
        assert max(waits.values()) <= LONGEST, waits
