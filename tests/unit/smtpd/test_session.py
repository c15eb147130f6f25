"""One conversation: verbs, their order, their replies. RFC 5321."""

import pytest

from ...smtp_site import Site

MESSAGE = b"From: x@outside.example\r\nTo: ada@alpha.example\r\nSubject: hi\r\n\r\nHello\r\n"


async def test_a_message_is_on_disk_before_250(site: Site) -> None:
    client = await site.greeted()
    reply = await client.send_message("x@outside.example", ["ada@alpha.example"], MESSAGE)
    assert reply.startswith("250 2.0.0 Ok: queued as ")
    (row,) = site.queued()
    assert row.id == reply.rpartition(" ")[2]
    assert row.content.endswith(MESSAGE)
    assert row.recipients == (("mailbox", "ada@alpha.example", "id-ada", None),)


async def test_extensions(site: Site) -> None:
    client = await site.connect()
    await client.reply()
    heard = await client.ask("EHLO client.example")
    assert heard.split("\n") == [
        "250-mail.alpha.example", "250-SIZE 52428800", "250-8BITMIME", "250-PIPELINING",
        "250-ENHANCEDSTATUSCODES", "250 STARTTLS",
    ]  # fmt: skip


async def test_pipelining_answers_in_order(site: Site) -> None:
    client = await site.greeted()
    client.send(
        b"MAIL FROM:<x@outside.example>\r\nRCPT TO:<ada@alpha.example>\r\nRCPT TO:<no@alpha.example>\r\nDATA\r\n"
    )
    assert [(await client.reply())[:9] for _ in range(4)] == [
        "250 2.1.0",
        "250 2.1.5",
        "550 5.1.1",
        "354 End d",
    ]
    client.send(MESSAGE + b".\r\nQUIT\r\n")
    assert [one[:9] for one in await client.replies()] == ["250 2.0.0", "221 2.0.0"]


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        (["MAIL FROM:<a@b.example>"], ["503"]),
        (["EHLO x", "RCPT TO:<ada@alpha.example>"], ["250", "503"]),
        (["EHLO x", "DATA"], ["250", "503"]),
        (["EHLO x", "MAIL FROM:<a@b.example>", "MAIL FROM:<a@b.example>"], ["250", "250", "503"]),
        (["EHLO x", "MAIL FROM:<a@b.example>", "DATA"], ["250", "250", "503"]),
        (["EHLO x", "MAIL FROM:<a@b.example>", "RCPT TO:<no@alpha.example>", "DATA"], ["250", "250", "550", "554"]),
        (["EHLO x", "MAIL FROM:<a@b.example>", "RSET", "RCPT TO:<ada@alpha.example>"], ["250", "250", "250", "503"]),
        (["EHLO x", "MAIL FROM:<a@b.example>", "EHLO x", "RCPT TO:<ada@alpha.example>"], ["250", "250", "250", "503"]),
        (["HELO x", "MAIL FROM:<a@b.example> SIZE=10"], ["250", "555"]),
        (["EHLO x", "MAIL FROM:<a@b.example> SIZE=99999999999"], ["250", "552"]),
        (["EHLO x", "AUTH PLAIN AGEAYg=="], ["250", "503"]),
        (["HELO", "EHLO", "EHLO a\tb", "BDAT 5"], ["501", "501", "500", "500"]),
        (["HELP", "NOOP x", "RSET x"], ["214", "250", "501"]),
        (["QUIT now", "VRFY", "EXPN list"], ["501", "501", "502"]),
    ],
)  # fmt: skip
async def test_sequences(site: Site, lines: list[str], codes: list[str]) -> None:
    client = await site.connect()
    await client.reply()
    assert [(await client.ask(line))[:3] for line in lines] == codes


GREETINGS = (
    b"b\xfcro",
    b"b\xc3\xbcro",
    b"Bob's Mac",
    b"[fe80::1%en0]",
    b"(by x) with <y>; z",
    b'\\ "',
    b"@",
    b"x" * 500,
)


@pytest.mark.parametrize("verb", [b"EHLO", b"HELO"])
@pytest.mark.parametrize("name", ["smtp", "submission", "submissions", "local"])
async def test_any_printable_name_is_taken_on_every_port(site: Site, name: str, verb: bytes) -> None:
    client = await site.connect(name, tls=name == "submissions")
    await client.reply()
    for greeting in GREETINGS:
        client.send(verb + b" " + greeting + b"\r\n")
        assert (await client.reply()).startswith("250"), greeting


@pytest.mark.settings(verify_authentication=True)
async def test_x10_a_name_forges_nothing_in_header_and_log(site: Site) -> None:
    client = await site.connect()
    await client.reply()
    said = b'a (b) "c" by mx.evil.example with ESMTP; \x9b31m <x@y> spf=pass\\'
    harmless = "a??b???c??by?mx.evil.example?with?ESMTP???31m??x?y??spf=pass?"
    client.send(b"EHLO " + said + b"\r\n")
    assert (await client.reply()).startswith("250-")
    assert (await client.ask("MAIL FROM:<>")).startswith("250 ")
    assert (await client.ask("RCPT TO:<no@alpha.example>")).startswith("550 ")
    assert f"helo=<{harmless}>" in site.log.lines[-1][1]
    assert (await client.send_message("", ["ada@alpha.example"], MESSAGE)).startswith("503 ")
    await client.ask("RSET")
    message = b"From: x@alpha.example\r\nSubject: y\r\n\r\nz\r\n"
    assert (await client.send_message("", ["ada@alpha.example"], message)).startswith("250 ")
    (row,) = site.queued()
    fields = [one for one in row.head.split(b"\r\n") if not one[:1].isspace()]
    assert [one.partition(b":")[0] for one in fields if one] == [
        b"Authentication-Results", b"X-Postroom-Verdict", b"Received", b"From", b"Subject",
    ]  # fmt: skip
    assert f"Received: from {harmless} ([127.0.0.1])\r\n".encode() in row.head
    assert f'spf=none reason="HELO names no host" smtp.helo="{harmless}"'.encode() in row.head.replace(
        b"\r\n", b""
    )


async def test_unusual_addresses_reach_their_people_and_keep_their_form(site: Site) -> None:
    client = await site.greeted()
    for line in (
        "MAIL FROM:a..b@docomo_1.example.",
        "RCPT TO:ada@alpha.example.",
        "RCPT TO:<bob+@alpha.example>",
    ):
        assert (await client.ask(line)).startswith("250 "), line
    await client.ask("DATA")
    client.send(MESSAGE + b".\r\n")
    assert (await client.reply()).startswith("250 ")
    (row,) = site.queued()
    assert row.sender == '"a..b"@docomo_1.example'
    assert [one[:3] for one in row.recipients] == [
        ("mailbox", "ada@alpha.example", "id-ada"),
        ("mailbox", "bob+@alpha.example", "id-bob"),
    ]


async def test_every_reply_has_an_enhanced_status(site: Site) -> None:
    client = await site.greeted()
    for line in ("NOOP", "RSET", "VRFY ada", "EXPN x", "HELP", "MAIL FROM:<>", "DATA", "FOO", "RCPT TO:<a"):
        reply = await client.ask(line)
        assert reply[4] == reply[0], reply
        assert reply[5] == "."


async def test_long_lines_are_refused_and_read_over(site: Site) -> None:
    client = await site.greeted()
    assert (await client.ask("NOOP " + "x" * 600)).startswith("500 5.5.6")
    assert (await client.ask("MAIL FROM:<" + "x" * 100_000)).startswith("500 5.5.6")
    assert (await client.ask("NOOP")).startswith("250 ")


@pytest.mark.settings(max_message_bytes=65536)
async def test_oversize_is_read_to_the_end(site: Site) -> None:
    client = await site.greeted()
    reply = await client.send_message(
        "a@b.example", ["ada@alpha.example"], MESSAGE + b"x" * 76 + b"\r\n" * 70_000
    )
    assert reply.startswith("552 5.3.4")
    assert (await client.ask("NOOP")).startswith("250 ")
    assert site.queued() == []
    assert not list((site.folder / "mta").glob("*.draft"))


@pytest.mark.settings(max_errors=3)
async def test_errors_end_the_conversation(site: Site) -> None:
    client = await site.greeted()
    client.send(b"FOO\r\n" * 10)
    assert [one[:9] for one in await client.replies()] == ["500 5.5.2"] * 3 + ["421 4.7.0"]
    assert [text for _, text in site.log.lines] == [
        "disconnect: client=127.0.0.1 421 4.7.0 Too many errors, closing connection"
    ]


@pytest.mark.settings(max_commands=5)
async def test_commands_end_the_conversation(site: Site) -> None:
    client = await site.greeted()
    client.send(b"NOOP\r\n" * 10)
    assert [one[:3] for one in await client.replies()] == ["250"] * 4 + ["421"]


@pytest.mark.settings(max_commands=5)
async def test_who_delivers_may_go_on(site: Site) -> None:
    client = await site.greeted()
    for _ in range(4):
        assert (await client.send_message("a@b.example", ["ada@alpha.example"], MESSAGE)).startswith("250 ")


@pytest.mark.settings(max_commands=5)
async def test_recipients_that_are_taken_have_a_limit_of_their_own(site: Site) -> None:
    client = await site.greeted()
    await client.ask("MAIL FROM:<a@b.example>")
    for _ in range(10):
        assert (await client.ask("RCPT TO:<ada@alpha.example>")).startswith("250 ")
    assert (await client.ask("RSET")).startswith("250 ")
    assert (await client.ask("NOOP")).startswith("421 ")  # nothing came of them


async def test_big_message_goes_to_a_file(site: Site) -> None:
    client = await site.greeted()
    body = b"".join(b"%07d line\r\n" % number for number in range(100_000))
    assert (await client.send_message("a@b.example", ["ada@alpha.example"], MESSAGE + body)).startswith(
        "250 "
    )
    (row,) = site.queued()
    assert row.content.endswith(MESSAGE + body)
    assert row.size == len(row.content)


async def test_client_that_leaves_in_data_leaves_nothing(site: Site) -> None:
    client = await site.greeted()
    for line in ("MAIL FROM:<a@b.example>", "RCPT TO:<ada@alpha.example>", "DATA"):
        await client.ask(line)
    client.send(MESSAGE + b"x" * 400_000)
    await client.writer.drain()
    client.writer.write_eof()
    assert await client.reader.read() == b""
    assert site.queued() == []
    assert not list((site.folder / "mta").glob("*.draft"))


async def test_half_closed_client_is_answered(site: Site) -> None:
    client = await site.greeted()
    client.send(
        b"MAIL FROM:<a@b.example>\r\nRCPT TO:<ada@alpha.example>\r\nDATA\r\n" + MESSAGE + b".\r\nQUIT\r\n"
    )
    client.writer.write_eof()
    assert [one[:3] for one in await client.replies()] == ["250", "250", "354", "250", "221"]
