"""Mailboxes of this host: what is claimed is concluded, whatever happens to it."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from postroom.contracts.errors import MessageGone, Unavailable
from postroom.contracts.outbox import Claim, MemoryContent, QueuedContent
from postroom.contracts.queue import Hop, Origin
from postroom.couriers.lmtp import LmtpLine
from postroom.couriers.parcel import Attempt
from postroom.queue.sqlite.content import StoredContent
from postroom.relay.local import LocalDelivery

from .test_parcels import claim, maker

HEAD = b"Subject: x\r\n\r\n"


@dataclass
class Ended:
    """What was concluded."""

    attempts: list[Attempt] = field(default_factory=list)
    event: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, claim: Claim, attempt: Attempt, content: QueuedContent, began: float) -> None:
        self.attempts.append(attempt)
        self.event.set()


def gone(error: Exception) -> object:
    async def load(claim: Claim) -> QueuedContent:
        raise error

    return load


@pytest.mark.parametrize("error", [MessageGone("gone"), Unavailable("disk I/O error"), ValueError("x")])
async def test_what_cannot_be_loaded_is_deferred(error: Exception, tmp_path: Path) -> None:
    ended = Ended()
    line = LmtpLine(str(tmp_path / "none"), "mail.alpha.example")
    local = LocalDelivery([line], maker(), gone(error), ended, lambda: 0.0)  # type: ignore[arg-type]
    assert local.submit(claim(Origin.INBOUND, Hop.MAILBOX))
    async with asyncio.timeout(60):
        await ended.event.wait()
    assert [reply.code for reply in ended.attempts[0].replies] == [451]
    assert local.held == 0


@pytest.mark.parametrize("size", [100, 300_000])
async def test_a_body_that_is_not_there_is_deferred(tmp_path: Path, size: int) -> None:
    ended = Ended()
    line = LmtpLine(str(tmp_path / "none"), "mail.alpha.example")
    local = LocalDelivery([line], maker(), gone(MessageGone()), ended, lambda: 0.0)  # type: ignore[arg-type]
    content = StoredContent(HEAD, len(HEAD) + size, b"", str(tmp_path / "no.body"))
    assert local.submit(claim(Origin.INBOUND, Hop.MAILBOX)._replace(content=content))
    async with asyncio.timeout(60):
        await ended.event.wait()
    assert [reply.code for reply in ended.attempts[0].replies] == [451]
    assert local.held == 0


async def test_a_fault_of_ours_defers_one_message_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever claims for the spool's task must never hear of it: with that task all mail of the spool would stop."""

    def break_down(*_: object) -> None:
        raise KeyError("x")

    ended, making = Ended(), maker()
    monkeypatch.setattr(making, "make_local", break_down)
    line = LmtpLine(str(tmp_path / "none"), "mail.alpha.example")
    local = LocalDelivery([line], making, gone(MessageGone()), ended, lambda: 0.0)  # type: ignore[arg-type]
    assert local.submit(claim(Origin.INBOUND, Hop.MAILBOX)._replace(content=MemoryContent(HEAD)))
    (result,) = ended.attempts[0].results
    assert (str(result.reply), result.inside) == ("451 4.3.5 internal error of the relay", "KeyError")
    assert local.held == 0
