"""An auth service of the real parts, with hashes that cost next to nothing."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from postroom.auth.guesses import Guesses, GuessLimits
from postroom.auth.hashing import Hasher
from postroom.auth.judge import Judge
from postroom.auth.login_cache import LoginCache
from postroom.auth.pool import HashPool
from postroom.auth.secrets import SecretStore
from postroom.auth.server import AuthServer, Judging
from postroom.directory.apply import apply
from postroom.directory.reader import SqliteDirectory
from postroom.directory.reading import read_document
from postroom.runtime.connections import ConnectionLimits, Listener
from postroom.runtime.log import Log
from postroom.runtime.sockets import bind

PEOPLE = {"ada": "ada's secret", "bob": "bob's secret"}
LIMITS = GuessLimits(per_account=4, per_client=6, window=600.0, delay=0.0, delay_maximum=0.0)


class FixedClock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def now(self) -> float:
        return self.seconds

    def steady(self) -> float:
        return self.seconds


@dataclass
class Parts:
    """Everything behind a Judge, to be looked at and changed."""

    folder: Path
    clock: FixedClock
    hasher: Hasher
    secrets: SecretStore
    pool: HashPool
    guesses: Guesses
    judge: Judge


def write_directory(folder: Path, disabled: tuple[str, ...] = ()) -> None:
    document = {
        "version": 1,
        "domains": [{"name": "a.example", "home": "mail.a.example"}],
        "accounts": [
            {
                "id": name,
                "address": f"{name}@a.example",
                "state": "disabled" if name in disabled else "active",
            }
            for name in (*PEOPLE, "nopassword")
        ],
    }
    apply(folder / "directory.db", read_document(json.dumps(document).encode()))


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    write_directory(tmp_path)
    clock, hasher = FixedClock(), Hasher(8, 1, 1)
    secrets = SecretStore(tmp_path / "secrets.db")
    for name, password in PEOPLE.items():
        secrets.set(name, hasher.make(password), 1)
    pool, guesses = HashPool(hasher, 2, 100), Guesses(LIMITS)
    directory = SqliteDirectory(tmp_path / "directory.db", clock.steady)
    judge = Judge(directory, secrets, pool, guesses, LoginCache(300), clock)
    yield Parts(tmp_path, clock, hasher, secrets, pool, guesses, judge)
    pool.close()
    secrets.close()


@contextlib.asynccontextmanager
async def serving(judge: Judging, path: str) -> AsyncIterator[str]:
    """The socket of a running AuthServer."""
    server = AuthServer(judge, Log("auth"))
    listener = Listener(Log("auth"), server.serve, ConnectionLimits(100, 100))
    await listener.start([bind(f"unix:{path}")])
    yield path
    await listener.stop_accepting()
    await server.finish(1.0)
    await listener.wait_idle(1.0)


@pytest.fixture
async def socket_path(parts: Parts) -> AsyncIterator[str]:
    """The socket of an AuthServer over the real parts."""
    async with serving(parts.judge.judge, str(parts.folder / "auth.sock")) as path:
        yield path


class Peer:
    """A raw client of the socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, path: str, greet: bool = True) -> "Peer":
        peer = cls(*await asyncio.open_unix_connection(path))
        while await peer.line() != b"DONE":
            pass
        if greet:
            peer.send(b"VERSION\t1\t2\nCPID\t99\n")
        return peer

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def line(self) -> bytes:
        async with asyncio.timeout(30):
            return (await self.reader.readline()).removesuffix(b"\n")

    async def ended(self) -> bool:
        """Wait for the other side to close."""
        async with asyncio.timeout(30):
            with contextlib.suppress(ConnectionError):
                await self.reader.read()
        return True

    def close(self) -> None:
        self.writer.close()
