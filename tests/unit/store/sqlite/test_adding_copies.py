"""A delivery of several copies that is killed in between: nothing of it is there, and its repetition stores all."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from postroom.contracts.store import Copy, Delivery
from postroom.runtime.clock import SystemClock
from postroom.store import NoNotices, open_store

# Killed at the n-th row of a message: between two copies of one delivery, or before the commit of both.
KILLED = """
import asyncio, os, signal, sys
from postroom.contracts.store import Copy, Delivery
from postroom.runtime.clock import SystemClock
from postroom.store import NoNotices, open_store
from postroom.store.sqlite import adding

insert, left = adding._insert, [int(sys.argv[2])]

def killing(*arguments):
    uid = insert(*arguments)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return uid

async def main():
    adding._insert = killing
    store = open_store(sys.argv[1], NoNotices(), SystemClock())
    copies = (Copy("INBOX"), Copy("Lists/New", create=True))
    await store.deliver([Delivery("ada", "q1", "a@x", b"", b"Subject: x\\r\\n\\r\\n", 1, copies)])

asyncio.run(main())
"""
COPIES = (Copy("INBOX"), Copy("Lists/New", create=True))


async def _counts(folder: Path) -> dict[str, int]:
    store = open_store(str(folder), NoNotices(), SystemClock())
    account = await store.account("ada", "ada")
    names = [mailbox.name for mailbox in await account.mailboxes()]
    counts = {name: (await account.status(name)).messages for name in names}
    await store.close()
    return counts


async def _again(folder: Path) -> tuple[Exception | None, ...]:
    store = open_store(str(folder), NoNotices(), SystemClock())
    done = await store.deliver([Delivery("ada", "q1", "a@x", b"", b"Subject: x\r\n\r\n", 1, COPIES)])
    await store.close()
    return done


@pytest.mark.parametrize("row", [1, 2])
def test_a_kill_between_two_copies_leaves_none(tmp_path: Path, row: int) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(row)], check=False)
    assert done.returncode == -signal.SIGKILL
    counts = asyncio.run(_counts(tmp_path))
    assert "Lists/New" not in counts
    assert sum(counts.values()) == 0
    for _ in range(2):
        assert asyncio.run(_again(tmp_path)) == (None,)
        counts = asyncio.run(_counts(tmp_path))
        assert (counts["INBOX"], counts["Lists/New"], sum(counts.values())) == (1, 1, 2)
