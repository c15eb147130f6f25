"""X23, and X1 behind a login: garbage at any socket ends with a reply, and the service stays."""

import random

import pytest

from ...smtp_site import Site


@pytest.mark.settings(max_connections_per_client=1000)
@pytest.mark.parametrize("name", ["smtp", "submission", "local"])
async def test_garbage(site: Site, name: str) -> None:
    noise = random.Random(23)
    words = [
        b"MAIL FROM:",
        b"RCPT TO:",
        b"<",
        b">",
        b"DATA",
        b"\r\n",
        b"\n",
        b"\0",
        b".",
        b"EHLO x",
        b" ",
        b"@",
        b"\xff",
    ]
    for _ in range(150):
        client = await site.connect(name)
        size = noise.randrange(1, 60)
        pieces = [noise.choice(words) if noise.random() < 0.7 else noise.randbytes(9) for _ in range(size)]
        client.send(b"".join(pieces))
        client.writer.write_eof()
        replies = await client.replies()
        assert replies[0].startswith("220 ")
        assert all(reply[:3].isdigit() for reply in replies)
        client.close()
    assert site.log.errors == []
    assert (await (await site.greeted(name)).ask("NOOP")).startswith("250 ")


@pytest.mark.parametrize(
    "sequence", [b"\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\n\0.\r\n"], ids=repr
)
async def test_x01_submission(site: Site, sequence: bytes) -> None:
    client = await site.logged_in()
    message = b"From: ada@alpha.example\r\n\r\nx" + sequence + b"MAIL FROM:<ada@alpha.example>\r\n"
    reply = await client.send_message("ada@alpha.example", ["bob@alpha.example"], message)
    assert reply.startswith("554 5.6.0")
    assert site.queued("msa") == []


@pytest.mark.settings(max_recipients=100)
async def test_recipients_are_counted(site: Site) -> None:
    client = await site.greeted()
    await client.ask("MAIL FROM:<a@b.example>")
    client.send(b"".join(b"RCPT TO:<x%d@catch.example>\r\n" % number for number in range(101)))
    replies = [await client.reply() for _ in range(101)]
    assert replies[99].startswith("250 ")
    assert replies[100].startswith("452 4.5.3")
