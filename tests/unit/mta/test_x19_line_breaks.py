"""X19: no control character becomes a line of the log, a header field or a row of the queue."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.policy.trace import Arrival, received

from ...smtp_site import Site

CONTROLS = [chr(code) for code in (*range(0x20), 0x7F) if chr(code) not in "\r\n"]


@pytest.mark.settings(max_errors=10000, max_commands=10000)
async def test_control_characters_in_commands(site: Site) -> None:
    client = await site.greeted()
    for control in CONTROLS:
        for line in (
            f"EHLO a{control}b", f"MAIL FROM:<a{control}b@c.example>", f'MAIL FROM:<"a{control}b"@c.example>',
            f"MAIL FROM:<a@b.example> SIZE=1{control}", f"NOOP {control}x",
        ):  # fmt: skip
            reply = await client.ask(line)
            assert reply[0] == "5", (line, reply)
        await client.ask("MAIL FROM:<>")
        assert (await client.ask(f"RCPT TO:<ada{control}@alpha.example>"))[0] == "5"
        await client.ask("RSET")
    assert all("\n" not in text and "\r" not in text for _, text in site.log.lines)


async def test_message_id_with_control_characters(site: Site) -> None:
    client = await site.greeted()
    message = b"From: x@outside.example\r\nMessage-ID: <a\x01\x1b[2J\xff\r\n\tb@c>\r\n\r\nHello\r\n"
    assert (await client.send_message("x@outside.example", ["ada@alpha.example"], message)).startswith("250 ")
    (row,) = site.queued()
    assert row.message_id.isprintable()
    assert all(text.isprintable() for _, text in site.log.lines)


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=60))
def test_received_is_one_field(helo: str, recipient: str, client: str) -> None:
    arrival = Arrival(
        host="mx.example",
        queue_id="q",
        client="192.0.2.1" if client else "",
        helo=helo,
        only_recipient=recipient,
    )
    octets = received(arrival, 1_790_000_000)
    assert octets.endswith(b"\r\n")
    lines = octets[:-2].split(b"\r\n")
    assert all(line.startswith(b"\t") for line in lines[1:])
    assert all(0x20 <= octet < 0x7F or octet == 9 for line in lines for octet in line)
    assert all(len(line) < 998 for line in lines)
