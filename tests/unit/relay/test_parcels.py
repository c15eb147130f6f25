"""Ten thousand generated messages through the relay's own preparation to a sink that looks at raw octets."""

import asyncio
import random
from pathlib import Path

import pytest
from postroom.contracts.outbox import Claim, ClaimedMessage, ClaimedRecipient, MemoryContent
from postroom.contracts.queue import Hop, Origin
from postroom.couriers.connection import PeerConnection
from postroom.couriers.parcel import heard
from postroom.mail.dsn import Action
from postroom.policy.retry import Schedule
from postroom.relay.judgement import AttemptTime, judge
from postroom.relay.keys import DkimKeys
from postroom.relay.parcels import ParcelMaker, Unfit
from postroom.runtime.log import Log
from postroom.wire.smtp.client import Capabilities, Outgoing, Transaction
from postroom.wire.smtp.data import DataScanner
from postroom.wire.smtp.replies import Reply

from ...relay_site import CLOCK

PIECES = [
    b"\r\n",
    b"\r",
    b"\n",
    b"\0",
    b".",
    b"..",
    b"a",
    b"text",
    b"\r\n.\r\n",
    b"\n.\n",
    b"\r.\r",
    b"\r\n.",
]
HEAD = b"From: <a@a.example>\r\nSubject: x\r\n\r\n"
SCHEDULE = Schedule(300.0, 14_400.0, 14_400.0, 432_000.0, 86_400.0)


def claim(origin: Origin = Origin.LOCAL, hop: Hop = Hop.WORLD, **recipient: object) -> Claim:
    message = ClaimedMessage(
        "id", 0.0, "a@a.example", origin, 0, "", "", False, "", "", "7BIT", False, "", "", "", ""
    )
    one = ClaimedRecipient(0, "b@b.example", "", "", "", "", 0, False, "", "", "")._replace(**recipient)  # type: ignore[arg-type]
    return Claim(None, message, hop, "b.example", "a@a.example", (one,), None, 0.0, False)


def maker(max_hops: int = 50) -> ParcelMaker:
    return ParcelMaker(DkimKeys("/nonexistent", None), CLOCK, Log("relay"), max_hops)  # type: ignore[arg-type]


def _dirty(body: bytes) -> bool:
    return bool({b"\r", b"\n", b"\0"} & {bytes((octet,)) for octet in body.replace(b"\r\n", b"")})


class Sink:
    """A server that takes everything, byte by byte what came."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.commands: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            self.commands.append(line)
            if line != b"DATA\r\n":
                writer.write(b"250 ok\r\n")
                continue
            writer.write(b"354 go\r\n")
            raw = bytearray()
            while not (raw.endswith(b"\r\n.\r\n") or raw == b".\r\n"):
                raw += await reader.readuntil(b"\n")
            self.messages.append(bytes(raw))
            writer.write(b"250 taken\r\n")
        writer.close()


async def test_ten_thousand_bodies_at_a_raw_sink(tmp_path: Path) -> None:
    chance = random.Random(2)
    sink, prepare = Sink(), maker()
    server = await asyncio.start_unix_server(sink.serve, tmp_path / "s", limit=1 << 22)
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_unix_connection(PeerConnection, str(tmp_path / "s"))
    refused = 0
    for number in range(10_000):
        body = b"".join(chance.choices(PIECES, k=chance.randrange(12)))
        origin = chance.choice((Origin.LOCAL, Origin.INBOUND))
        content = MemoryContent(HEAD, body)
        if origin is Origin.INBOUND and _dirty(body):
            with pytest.raises(Unfit, match=r"5\.6\.0"):
                await prepare.make(claim(origin), content)
            refused += 1
            continue
        parcel = await prepare.make(claim(origin), content)
        size = 1 + number % 7  # dots and line ends fall on the edges of chunks

        def chunks(source=parcel.chunks, size=size):  # type: ignore[no-untyped-def]
            for chunk in source():
                yield from (chunk[at : at + size] for at in range(0, len(chunk), size))

        transaction = Transaction(Capabilities("s", {"PIPELINING": ""}), Outgoing("", (("b@b.example", ""),)))
        await connection.converse(transaction.run(), chunks)
        assert transaction.replies == [Reply(250, "", "taken")]
    assert refused > 1000
    assert len(sink.messages) == 10_000 - refused
    assert len(sink.commands) == 3 * len(sink.messages)  # no text became a command
    for raw in sink.messages:
        assert b"\0" not in raw
        assert raw.count(b"\r\n") == raw.count(b"\r") == raw.count(b"\n")
        scanner = DataScanner()
        scanner.feed(raw)
        assert scanner.finished
        assert scanner.rest == b""
    connection.quit()
    server.close()


@pytest.mark.parametrize("above", [b"", b"X-Postroom-Verdict: ham\r\n"])
async def test_mail_that_intake_has_let_in_is_no_loop(above: bytes) -> None:
    head = above + b"Received: x\r\n" * 50 + HEAD  # intake takes 49 and adds one
    await maker().make(claim(), MemoryContent(head))


@pytest.mark.parametrize("above", [b"", b"X-Postroom-Verdict: ham\r\n"])
async def test_mail_that_has_come_too_far_is_a_loop(above: bytes) -> None:
    head = above + b"Received: x\r\n" * 51 + HEAD
    with pytest.raises(Unfit) as unfit:
        await maker().make(claim(), MemoryContent(head))
    assert unfit.value.reply.enhanced == "5.4.6"


@pytest.mark.parametrize(
    ("reply", "now", "warned", "status", "tell"),
    [
        (Reply(250), 10.0, False, "sent", None),
        (Reply(550), 10.0, False, "bounced", Action.FAILED),
        (Reply(451), 10.0, False, "deferred", None),
        (Reply(451), 20_000.0, False, "deferred", Action.DELAYED),
        (Reply(451), 20_000.0, True, "deferred", None),
        (Reply(451), 500_000.0, True, "expired", Action.FAILED),
    ],
)
def test_judgements(reply: Reply, now: float, warned: bool, status: str, tell: Action | None) -> None:
    (verdict,) = judge(
        claim(warned=warned),
        [heard(reply, "mx[192.0.2.1]:25")],
        AttemptTime(now, 0.5),
        SCHEDULE,
        durable=True,
    )
    assert (verdict.status, verdict.report) == (status, tell)
    assert (verdict.outcome.due is None) == (status != "deferred")
