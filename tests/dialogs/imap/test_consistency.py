"""Several sessions on one mailbox at once: the responses to each client add up to the state of the mailbox."""

import asyncio
import random
import re
from collections.abc import Sequence

import pytest
from postroom.contracts.account import FlagMode, NewMessage, Row
from postroom.store.sqlite.account import SqliteAccount

from ..runner import Peer
from .conftest import Server

MAIL = b"Subject: x\r\n\r\ny\r\n"
FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "$One")
_FETCH = re.compile(r"\* (\d+) FETCH \((.*)(\)|\})\Z")


class Client:
    """A client that knows nothing but the responses it got."""

    def __init__(self, peer: Peer, seed: int) -> None:
        self.peer = peer
        self.chooser = random.Random(seed)
        self.uids: list[int] = []  # 0: not known yet
        self.flags: list[frozenset[str] | None] = []
        self.tags = 0

    async def command(self, text: str, octets: bytes = b"") -> str:
        """Send a command, apply every untagged response, return the tagged one."""
        self.tags += 1
        self.peer.writer.write(f"t{self.tags} {text}\r\n".encode() + octets)
        return await self.until(f"t{self.tags} ", by_number=re.match("FETCH|STORE|SEARCH", text) is not None)

    async def until(self, start: str, *, by_number: bool = False) -> str:
        while not (line := (await self.peer.line()).decode()).startswith(start):
            assert line, "connection closed"
            assert not (by_number and line.endswith("EXPUNGE")), line
            self.take(line)
        return line

    def take(self, line: str) -> None:
        words = line.split()
        if words[-1] == "EXISTS":
            count = int(words[1])
            assert count >= len(self.uids), line
            self.uids += [0] * (count - len(self.uids))
            self.flags += [None] * (count - len(self.flags))
        elif words[-1] == "EXPUNGE":
            number = int(words[1])
            assert 1 <= number <= len(self.uids), line
            del self.uids[number - 1], self.flags[number - 1]
        elif found := _FETCH.match(line):
            self.take_fetch(int(found[1]), found[2])

    def take_fetch(self, number: int, items: str) -> None:
        assert 1 <= number <= len(self.uids), items
        if found := re.search(r"UID (\d+)", items):
            assert self.uids[number - 1] in (0, int(found[1])), items
            self.uids[number - 1] = int(found[1])
        if found := re.search(r"FLAGS \((.*?)\)", items):
            self.flags[number - 1] = frozenset(found[1].split()) - {"\\Recent"}

    async def select(self) -> None:
        assert " OK" in await self.command("SELECT INBOX")
        await self.command("UID FETCH 1:* (FLAGS)")

    async def act(self) -> None:
        choose = self.chooser.choice
        number = self.chooser.randint(1, max(len(self.uids), 1))
        silent, sign, flag = choose(("", ".SILENT")), choose("+-"), choose(FLAGS)
        match choose(
            [
                "append",
                "store",
                "store",
                "store",
                "expunge",
                "copy",
                "move",
                "fetch",
                "search",
                "idle",
                "noop",
            ]
        ):
            case "append":
                await self.command(f"APPEND INBOX ({flag}) {{{len(MAIL)}+}}", MAIL + b"\r\n")
            case "store":
                reply = await self.command(f"STORE {number} {sign}FLAGS{silent} ({flag})")
                self.assume(number, silent, sign, flag, reply)
            case "expunge":
                await self.command(choose(("EXPUNGE", f"UID EXPUNGE {max(self.uids, default=1) or 1}")))
            case "copy":
                await self.command(f"COPY {number} INBOX")
            case "move":
                await self.command(f"UID MOVE {choose(self.uids or [1]) or 1} Trash")
            case "fetch":
                await self.command(choose((f"FETCH {number} (UID FLAGS)", "UID FETCH 1:* (FLAGS)")))
            case "search":
                await self.command(choose(("SEARCH SEEN", "UID SEARCH DELETED")))
            case "idle":
                self.peer.writer.write(b"t0 IDLE\r\n")
                await self.until("+ ")
                self.peer.writer.write(b"DONE\r\n")
                await self.until("t0 ")
            case "noop":
                await self.command("NOOP")

    def assume(self, number: int, silent: str, sign: str, flag: str, reply: str) -> None:
        known = self.flags[number - 1] if number <= len(self.flags) else None
        if silent and " OK" in reply and known is not None:
            self.flags[number - 1] = known | {flag} if sign == "+" else known - {flag}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("condstore", [False, True])
async def test_clients_agree_with_the_mailbox(server: Server, seed: int, condstore: bool) -> None:
    for _ in range(8):
        await server.deliver("ada", MAIL)
    clients = []
    for index in range(3):
        client = Client(await server.tls(), seed * 10 + index)
        await client.until("* OK")
        await client.command("LOGIN ada@alpha.example secret")
        if condstore:
            await client.command("ENABLE CONDSTORE")
        await client.select()
        clients.append(client)

    async def busy(client: Client) -> None:
        for _ in range(50):
            await client.act()

    await asyncio.gather(*map(busy, clients))
    for client in clients:
        await client.command("NOOP")
        believed = list(zip(client.uids, client.flags, strict=True))
        await client.command("UID FETCH 1:* (FLAGS)")
        there = list(zip(client.uids, client.flags, strict=True))
        assert [(uid, flags) for uid, flags in there if uid == 0] == []
        for (old_uid, old_flags), (uid, flags) in zip(believed, there, strict=True):
            assert old_uid in (0, uid)
            assert old_flags is None or old_flags == flags
    account = await server.store.account("ada", "ada")
    selected = await account.select("INBOX", False)
    for client in clients:
        assert client.uids == list(selected.uids)


@pytest.mark.parametrize("when", ["before", "behind"])
async def test_news_amid_a_fetch_do_not_go_out_before_older_flags(
    server: Server, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Another session changes flags before or after FETCH reads the rows of the second hundred messages."""
    account = await server.store.account("ada", "ada")
    await account.append("INBOX", [NewMessage(MAIL, internal_date=1) for _ in range(150)])
    box = (await account.select("INBOX", True)).mailbox.id
    await account.store(box, range(1, 151, 2), FlagMode.ADD, frozenset({"\\Seen"}))
    client = Client(await server.tls(), 0)
    await client.until("* OK")
    await client.command("LOGIN ada@alpha.example secret")
    await client.select()
    (session,) = server.sessions
    read = SqliteAccount.rows

    async def other() -> None:
        await account.store(box, [1, 149], FlagMode.ADD, frozenset({"\\Flagged"}))
        async with asyncio.timeout(10):
            while not session.session.news_pending:
                await asyncio.sleep(0.001)

    async def rows(
        self: SqliteAccount, mailbox: int, uids: Sequence[int] | None = None, changed_since: int = 0
    ) -> tuple[Row, ...]:
        second = uids is not None and 149 in uids and len(uids) == 50
        if second and when == "before":
            await other()
        found = await read(self, mailbox, uids, changed_since)
        if second and when == "behind":
            await other()
        return found

    monkeypatch.setattr(SqliteAccount, "rows", rows)
    await client.command("FETCH 1:150 (FLAGS BODY[TEXT])")
    monkeypatch.setattr(SqliteAccount, "rows", read)
    await client.command("NOOP")
    believed = list(client.flags)
    await client.command("UID FETCH 1:* (FLAGS)")
    assert believed == client.flags
