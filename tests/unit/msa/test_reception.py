"""Submission: what is needed first, what is added and removed. RFC 6409, RFC 4954."""

import asyncio
import json
import os
import pwd
import re
from base64 import b64encode

import pytest
from postroom.directory.apply import apply
from postroom.directory.reading import read_document
from postroom.msa.reception import limited_as
from postroom.smtpd.reception import Client

from ...smtp_site import DOCUMENT, HOST, Site

MESSAGE = b"From: Ada <ada@alpha.example>\r\nTo: y@outside.example\r\n\r\nHello\r\n"


async def test_login_only_under_tls(site: Site) -> None:
    client = await site.greeted("submission")
    assert (await client.ask("MAIL FROM:<ada@alpha.example>")).startswith("530 5.7.0 Must issue a STARTTLS")
    assert (await client.ask("AUTH PLAIN AGEAYg==")).startswith("538 5.7.11")
    assert (await client.ask("STARTTLS")).startswith("220 ")
    await client.start_tls(site.client_tls())
    assert "AUTH PLAIN LOGIN" in await client.ask("EHLO client.example")
    assert (await client.ask("MAIL FROM:<ada@alpha.example>")).startswith("530 5.7.0 Authentication")
    assert site.passwords.attempts == []


async def test_mechanisms(site: Site) -> None:
    plain = b64encode(b"\0ada@alpha.example\0ada's password").decode()
    scripts = (
        [(f"AUTH PLAIN {plain}", "235 2.7.0")],
        [("AUTH PLAIN", "334 "), (plain, "235 2.7.0")],
        [("AUTH PLAIN", "334 "), ("*", "501 5.5.2"), (f"AUTH PLAIN {plain}", "235 2.7.0"), ("AUTH PLAIN", "503 ")],
        [("auth login", "334 VXNl"), (b64encode(b"ada@alpha.example").decode(), "334 UGFz"),
         (b64encode(b"ada's password").decode(), "235 2.7.0")],
        [("AUTH CRAM-MD5", "504 5.5.4"), ("AUTH", "501 5.5.4"), ("AUTH PLAIN !!!", "501 "), ("AUTH PLAIN =", "501 ")],
        [("AUTH XOAUTH2 dXNlcj1hZGE=", "504 5.5.4"), ("AUTH XOAUTH2", "504 5.5.4"), ("AUTH XOAUTH2 !", "504 5.5.4"),
         ("auth xoauth2 " + "A" * 9000, "504 5.5.4"), ("AUTH OAUTHBEARER =", "504 5.5.4"), (f"AUTH PLAIN {plain}", "235 2.7.0")],
        [("AUTH PLAIN " + "A" * 1800, "501 5.5.2"), ("AUTH PLAIN " + "A" * 9000, "500 5.5.6"), ("NOOP " + "A" * 600, "500 5.5.6"), ("RCPT TO:<" + "a" * 3000, "500 5.5.6"),
         ("AUTH PLAIN " + "A" * 14000, "500 5.5.6"), ("NOOP", "250 2.0.0")],
        [("MAIL FROM:<>", "530 "), ("AUTH PLAIN " + b64encode(b"\0x\0y").decode(), "535 5.7.8")],
    )  # fmt: skip
    for script in scripts:
        client = await site.greeted("submissions", tls=True)
        for line, expected in script:
            assert (await client.ask(line)).startswith(expected), line
    assert {attempt.mechanism for attempt in site.passwords.attempts} == {"PLAIN"}
    assert all(attempt.secured and attempt.service == "smtp" for attempt in site.passwords.attempts)


async def test_a_disabled_account_cannot_log_in_even_with_its_password(site: Site) -> None:
    client = await site.greeted("submissions", tls=True)
    plain = b64encode(b"\0off@alpha.example\0a disabled account's password").decode()
    assert (await client.ask(f"AUTH PLAIN {plain}")).startswith("535 5.7.8")
    assert len(site.passwords.attempts) == 1
    assert (await client.ask("MAIL FROM:<off@alpha.example>")).startswith("530 ")


async def test_what_is_missing_is_added_and_what_is_private_removed(site: Site) -> None:
    client = await site.logged_in()
    hidden = b"Bcc: secret@outside.example\r\nX-Postroom-Verdict: ham\r\nBCC:\r\n folded@outside.example\r\n"
    reply = await client.send_message("ada@alpha.example", ["y@outside.example"], hidden + MESSAGE)
    assert reply.startswith("250 ")
    (row,) = site.queued("msa")
    assert row.recipients == (("world", "y@outside.example", "", None),)
    assert row.content.endswith(MESSAGE)
    assert row.message_id == f"<{row.id}@{HOST}>"
    assert re.search(rb"\r\nDate: [A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} 20\d\d .*\+0000\r\n", row.head)
    assert f"Message-ID: {row.message_id}\r\n".encode() in row.head
    for octets in (b"secret", b"folded", b"X-Postroom", b"127.0.0.1", b"client.example"):
        assert octets not in row.head
    assert re.match(
        rb"Received: \(using TLSv1\.3 with cipher \S+\)\r\n\tby mail\.alpha\.example \(Postroom\) with ESMTPSA id ",
        row.head,
    )
    assert (row.origin, row.account, row.signing_domain) == ("submitted", "id-ada", "alpha.example")
    assert row.vouched


async def test_traces_of_a_delivery_go_from_what_is_sent_again(site: Site) -> None:
    """With them the message would look at its readers' mailboxes as if it had been there before."""
    trace = (
        b"Return-Path: <x@outside.example>\r\nDelivered-To: bob@alpha.example\r\ndelivered-to:\r\n ada\r\n"
    )
    resent = b"Resent-From: ada@alpha.example\r\nResent-To: bob@alpha.example\r\n"
    stamp = b"Received: by mail.alpha.example with ESMTPSA id 7; Mon, 23 Nov 2026 08:00:00 +0000\r\n"
    for client in (await site.logged_in(), await site.greeted("local")):
        await client.send_message(
            "ada@alpha.example", ["bob@alpha.example"], resent + trace + stamp + MESSAGE
        )
    for row in site.queued("msa"):
        assert b"elivered-" not in row.head
        assert b"Return-Path" not in row.head
        assert row.content.endswith(resent + stamp + MESSAGE)
    assert len(site.queued("msa")) == 2


async def test_what_is_there_stays(site: Site) -> None:
    client = await site.logged_in()
    message = b"Date: Mon, 23 Nov 2026 04:00:00 +0000\r\nMessage-ID: <mine@alpha.example>\r\n" + MESSAGE
    await client.send_message("ada@alpha.example", ["y@outside.example"], message)
    (row,) = site.queued("msa")
    assert row.content.endswith(message)
    assert row.head.count(b"Date:") == row.head.count(b"Message-ID:") == 1
    assert row.message_id == "<mine@alpha.example>"


async def test_unknown_addresses_of_ours_are_refused(site: Site) -> None:
    client = await site.logged_in()
    await client.ask("MAIL FROM:<ada@alpha.example> AUTH=<>")
    assert (await client.ask("RCPT TO:<nobody@alpha.example>")).startswith("550 5.1.1")


async def test_bare_line_ends_are_refused_from_logins_too(site: Site) -> None:
    client = await site.logged_in()
    reply = await client.send_message("ada@alpha.example", ["y@outside.example"], MESSAGE + b"bare\nline\r\n")
    assert reply.startswith("554 5.6.0")
    assert await client.reader.read() == b""
    assert site.queued("msa") == []


async def test_local_programs_need_no_login_and_are_repaired(site: Site) -> None:
    client = await site.greeted("local")
    message = b"Subject: cron\nBcc: x@outside.example\n\nbare\rlines\r\nend\r\n"
    reply = await client.send_message(f"root@{HOST}", [f"root@{HOST}", "y@outside.example"], message)
    assert reply.startswith("250 ")
    (row,) = site.queued("msa")
    assert row.body == b"bare\r\nlines\r\nend\r\n"
    assert b" with local id " in row.head
    assert f"From: root@{HOST}\r\n".encode() in row.head
    assert b"Bcc" not in row.head
    assert b"\n" not in row.content.replace(b"\r\n", b"")
    assert row.origin == "local"
    assert [one[0] for one in row.recipients] == ["mailbox", "world"]


@pytest.mark.parametrize(("uid", "key"), [(0, ""), (None, ""), (33, "uid/33"), (1000, "uid/1000")])
def test_local_users_are_counted_each_and_root_is_not(uid: int | None, key: str) -> None:
    assert limited_as(Client("local", uid=uid)) == key


async def test_the_log_names_the_local_user(site: Site) -> None:
    client = await site.greeted("local")
    await client.send_message(f"root@{HOST}", ["y@outside.example"], b"Subject: x\r\n\r\nx\r\n")
    (line,) = [text for _, text in site.log.lines if "from=" in text]
    assert f" user={pwd.getpwuid(os.geteuid()).pw_name}" in line


@pytest.mark.settings(messages_per_day=2, recipients_per_day=3)
async def test_limits_per_account_last_over_connections(site: Site) -> None:
    for expected in ("250 ", "250 ", "450 4.7.1"):
        client = await site.logged_in()
        assert (await client.send_message("ada@alpha.example", ["y@outside.example"], MESSAGE)).startswith(
            expected
        )
    other = await site.logged_in("bob@alpha.example")
    many = [f"y{number}@outside.example" for number in range(4)]
    message = MESSAGE.replace(b"ada@", b"bob@")
    assert (await other.send_message("bob@alpha.example", many, message)).startswith("450 4.7.1")
    assert (await other.send_message("bob@alpha.example", many[:3], message)).startswith("250 ")
    assert (await other.send_message("bob@alpha.example", many[:1], message)).startswith("450 4.7.1")


@pytest.mark.settings(max_commands=10**6)
async def test_an_account_that_is_switched_off_sends_nothing_more(site: Site) -> None:
    client = await site.logged_in()
    off = [one | {"state": "disabled"} if one["id"] == "id-ada" else one for one in DOCUMENT["accounts"]]
    document = json.dumps({**DOCUMENT, "accounts": off}).encode()
    apply(site.folder / "directory.db", read_document(document))
    async with asyncio.timeout(30):  # the directory looks for a new file once a second
        while (answer := await client.ask("MAIL FROM:<ada@alpha.example>")).startswith("250 "):
            await client.ask("RSET")
    assert answer.startswith("553 5.7.1")
    assert site.queued("msa") == []


async def test_x10_lines_that_are_no_field_are_refused_and_separators_dropped(site: Site) -> None:
    client = await site.logged_in()
    for line in (
        b"From\r\n : <bob@alpha.example>\r\n",
        b"Sender\xc2\xa0: bob@alpha.example\r\n",
        b" x\r\n",
        b"x\r\n",
    ):
        reply = await client.send_message("ada@alpha.example", ["y@outside.example"], line + MESSAGE)
        assert reply.startswith("554 5.6.0 "), line
    assert site.queued("msa") == []
    line = b"From bob@alpha.example Mon Nov 23 08:00:00 2026\r\n"
    assert (await client.send_message("ada@alpha.example", ["y@outside.example"], line + MESSAGE))[
        :4
    ] == "250 "
    (row,) = site.queued("msa")
    assert row.content.endswith(b"@mail.alpha.example>\r\n" + MESSAGE)
    assert b"bob" not in row.content


@pytest.mark.parametrize(
    ("given", "header", "body"),
    [
        (b"From root Mon\nSubject: x\n\nbody", b"Subject: x\r\n\r\n", b"body\r\n"),
        (b"\xef\xbb\xbfSubject: x\n\nbody", b"Subject: x\r\n\r\n", b"body\r\n"),
        (b"Subject: x\nno field\nFrom\n : <y>\n\nbody", b"Subject: x\r\n\r\n",
         b"no field\r\nFrom\r\n : <y>\r\n\r\nbody\r\n"),
        (b"only text", b"root@mail.alpha.example\r\n\r\n", b"only text\r\n"),
        (b" indented", b"root@mail.alpha.example\r\n\r\n", b" indented\r\n"),
    ],
)  # fmt: skip
async def test_headers_of_local_programs_are_mended(
    site: Site, given: bytes, header: bytes, body: bytes
) -> None:
    client = await site.greeted("local")
    reply = await client.send_message(f"root@{HOST}", ["y@outside.example"], given + b"\r\n")
    assert reply.startswith("250 ")
    (row,) = site.queued("msa")
    assert row.head.endswith(header)
    assert row.body == body
    assert row.size == len(row.content)
