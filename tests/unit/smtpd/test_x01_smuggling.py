"""X1: no octet sequence but CR LF . CR LF ends a message, and whoever tries another is refused and cut off."""

import itertools

import pytest

from ...smtp_site import Site

HEAD = b"From: x@outside.example\r\nSubject: one\r\n\r\nfirst"
SECOND = (
    b"MAIL FROM:<admin@alpha.example>\r\nRCPT TO:<bob@alpha.example>\r\nDATA\r\n"
    b"From: admin@alpha.example\r\n\r\nsmuggled\r\n"
)
BREAKS = (b"\r\n", b"\n", b"\r", b"\r\n\0", b"\n\0", b"\r\0", b"\0\r\n", b"\r\r\n", b"\r\n\n", b"\n\r", b"\0")
SEQUENCES = [
    before + b"." + after
    for before, after in itertools.product(BREAKS, BREAKS)
    if (before, after) != (b"\r\n", b"\r\n") and not (before[-2:] == b"\r\n" and after[:2] == b"\r\n")
]


@pytest.mark.parametrize("sequence", SEQUENCES, ids=repr)
async def test_nothing_is_smuggled(site: Site, sequence: bytes) -> None:
    client = await site.greeted()
    for line in ("MAIL FROM:<x@outside.example>", "RCPT TO:<ada@alpha.example>"):
        assert (await client.ask(line)).startswith("250 ")
    assert (await client.ask("DATA")).startswith("354 ")
    client.send(HEAD + sequence + SECOND + b".\r\n")
    (reply, *rest) = await one_reply_or_close(client)
    assert reply.startswith("554 5.6.0")
    assert rest == []
    assert site.queued() == []


async def one_reply_or_close(client) -> list[str]:
    """Everything heard when QUIT is sent behind it."""
    client.send(b"QUIT\r\n")
    return [one for one in await client.replies() if not one.startswith("221")]


async def test_dots_are_unstuffed_and_the_second_message_is_one_of_its_own(site: Site) -> None:
    client = await site.greeted()
    client.send(
        b"MAIL FROM:<x@outside.example>\r\nRCPT TO:<ada@alpha.example>\r\nDATA\r\n"
        + HEAD
        + b"\r\n..\r\n..x\r\n.\r\n"
        + SECOND
        + b".\r\nQUIT\r\n"
    )
    assert [one[:3] for one in await client.replies()] == [
        "250",
        "250",
        "354",
        "250",
        "250",
        "250",
        "354",
        "250",
        "221",
    ]
    first, second = site.queued()
    assert first.body == b"first\r\n.\r\n.x\r\n"
    assert second.body == b"smuggled\r\n"


@pytest.mark.parametrize("line", [b"NOOP\nNOOP\r\n", b"NOOP\rNOOP\r\n", b"RSET\n"])
async def test_bare_line_ends_in_commands_end_the_conversation(site: Site, line: bytes) -> None:
    client = await site.greeted()
    client.send(line + b"NOOP\r\n")
    assert [one[:9] for one in await client.replies()] == ["500 5.5.2"]
