"""A message that is sent again, since its 250 was not heard, is the same message; everything else is a new one."""

import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

import pytest
from postroom.mail.headers import read_headers
from postroom.mail.ids import queue_id
from postroom.mta.repetition import SECRET_OCTETS, shared_secret, stamped, stamped_at
from postroom.runtime.config import ConfigError

from ...smtp_site import Site

SENDER, ADA, BOB = "x@outside.example", "ada@alpha.example", "bob@alpha.example"
NOW = int(time.time())
DATE = b"; %s\r\n" % formatdate(NOW).encode()
STAMP = b"Received: from a (a [192.0.2.1])\r\n\tby mx.outside.example (Postfix) with ESMTPS id 4XyZ1" + DATE
REST = b"From: x@outside.example\r\nMessage-ID: <one@outside.example>\r\n\r\nHello\r\n"
SIGNATURE = b"DKIM-Signature: v=1; d=outside.example; t=%d;\r\n\tb=abc\r\n"


async def sent(site: Site, message: bytes, *recipients: str, sender: str = SENDER) -> str:
    """The queue id that the reply names."""
    client = await site.greeted()
    reply = await client.send_message(sender, recipients or (ADA,), message)
    client.close()
    assert reply.startswith("250 2.0.0 Ok: queued as ")
    return reply.rpartition(" ")[2]


async def test_a_stamped_message_sent_again_is_kept_once(site: Site) -> None:
    first = await sent(site, STAMP + REST)
    assert await sent(site, STAMP + REST) == first
    assert [row.id for row in site.queued()] == [first]
    again = [text for _, text in site.log.lines if "received again" in text]
    assert again == [
        f"{first}: received again: client=127.0.0.1 message-id=<one@outside.example> from=<{SENDER}>"
    ]


@pytest.mark.parametrize("size", [100_000, 400_000])
async def test_large_ones_too_and_the_first_ones_body_stays(site: Site, size: int) -> None:
    text = STAMP + REST + b"0123456789abcde\r\n" * (size // 17)
    assert await sent(site, text) == await sent(site, text)
    (row,) = site.queued()
    assert row.body in text
    assert len(list(Path(site.folder).glob("mta/*.body"))) == (size > 200_000)
    assert await sent(site, text[:-3] + b"x\r\n") != row.id


async def test_each_difference_makes_a_new_message(site: Site) -> None:
    kinds = [
        await sent(site, STAMP + REST),
        await sent(site, STAMP + REST + b"x\r\n"),
        await sent(site, STAMP.replace(b"4XyZ1", b"4XyZ2") + REST),
        await sent(site, b"Received: by loop.example with SMTP id 7" + DATE + STAMP + REST),
        await sent(site, b"X-Way: other\r\n" + STAMP + REST),
        await sent(site, STAMP + REST, BOB),
        await sent(site, STAMP + REST, ADA, BOB),
        await sent(site, STAMP + REST, BOB, ADA),
        await sent(site, STAMP + REST, sender="y@outside.example"),
        await sent(site, STAMP + REST, sender=""),
    ]
    assert len(set(kinds)) == len(kinds) == len(site.queued())


async def test_what_the_last_server_wrote_above_its_stamp_belongs_to_the_message(site: Site) -> None:
    results = b"Authentication-Results: mx.outside.example; spf=pass\r\n"
    first = await sent(site, results + STAMP + REST)
    assert await sent(site, results + STAMP + REST) == first
    assert await sent(site, results.replace(b"pass", b"fail") + STAMP + REST) != first


async def test_a_signature_made_anew_for_each_try_is_no_difference(site: Site) -> None:
    first = await sent(site, SIGNATURE % 1 + STAMP + REST)
    assert await sent(site, SIGNATURE % 2 + SIGNATURE % 3 + STAMP + REST) == first
    behind = await sent(site, STAMP + SIGNATURE % 1 + REST)
    assert behind != first
    assert await sent(site, STAMP + SIGNATURE % 2 + REST) != behind


async def test_what_no_server_has_stamped_may_come_twice(site: Site) -> None:
    unstamped = b"Received: from a (with id 7) by b.example with SMTP" + DATE
    for message in (REST, unstamped + REST, unstamped + STAMP + REST):
        assert await sent(site, message) != await sent(site, message)


DAY = 86_400


@pytest.mark.parametrize(
    ("age", "same"), [(6 * DAY, True), (8 * DAY, False), (-3600, True), (-2 * DAY, False)]
)
async def test_a_stamp_counts_while_a_server_may_still_be_trying(site: Site, age: int, same: bool) -> None:
    """A program that writes the same field each time must not lose its messages."""
    message = STAMP.replace(DATE, b"; %s\r\n" % formatdate(NOW - age).encode()) + REST
    assert (await sent(site, message) == await sent(site, message)) is same


@pytest.mark.parametrize("date", [b"", b"; yesterday", b"; Mon, 31 Feb 2026 08:00:00 +0000"])
async def test_a_stamp_without_a_date_is_none(site: Site, date: bytes) -> None:
    message = STAMP.replace(DATE, date + b"\r\n") + REST
    assert await sent(site, message) != await sent(site, message)


@pytest.mark.parametrize(
    "field", [b"", b"Message-ID:\r\n", b"Message-ID: <>\r\n", b"X-Message-ID: <a@b>\r\n"]
)
async def test_what_its_author_has_not_named_may_come_twice(site: Site, field: bytes) -> None:
    message = (STAMP + REST).replace(b"Message-ID: <one@outside.example>\r\n", field)
    assert await sent(site, message) != await sent(site, message)


async def test_a_refused_recipient_in_between_changes_nothing(site: Site) -> None:
    first = await sent(site, STAMP + REST, ADA)
    client = await site.greeted()
    await client.ask(f"MAIL FROM:<{SENDER}>")
    assert (await client.ask("RCPT TO:<nobody@alpha.example>")).startswith("550 ")
    await client.ask(f"RCPT TO:<{ADA}>")
    await client.ask("DATA")
    client.send(STAMP + REST + b".\r\n")
    assert (await client.reply()).endswith(first)


@pytest.mark.settings(verify_authentication=True)
async def test_what_is_played_back_by_a_stranger_takes_nobodys_place(site: Site) -> None:
    site.zone.rows["outside.example", "TXT"] = [b"v=spf1 ip4:198.51.100.7 -all"]
    forged = await sent(site, STAMP + REST)
    site.zone.rows["outside.example", "TXT"] = [b"v=spf1 ip4:127.0.0.1 -all"]
    genuine = await sent(site, STAMP + REST)
    assert forged != genuine
    assert len(site.queued()) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"from a by b with SMTP id 7; date", True),
        (b"by b with ESMTP\r\n\tid <abc@b>\r\n\tfor <x@y>; date", True),
        (b"by b with ESMTP id abc", True),
        (b"id 1 by b; date", True),
        (b"from id by b with SMTP; date", False),
        (b"from a (id 7) by b (x (id 8)) with SMTP; date", False),
        (b"from a by b with id; date", False),
        (b"from grid 7 by b; date", False),
        (b"", False),
        (b"(" * 5000 + b"id 7", False),
    ],
)
def test_the_id_clause(text: bytes, expected: bool) -> None:
    (field,) = read_headers(b"Received: " + text + b"\r\n").fields
    assert stamped(field) is expected


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        (b"Mon, 23 Nov 2026 08:00:00 +0000", 1_795_420_800),
        (b"23 nov 2026 10:30:01 +0230 (CEST)", 1_795_420_801),
        (b"Mon, 23 Nov 2026\r\n\t03:00 -0500", 1_795_420_800),
        (b"Mon, 31 Feb 2026 08:00:00 +0000", 0),
        (b"Mon, 1 Jan 1960 08:00:00 +0000", 0),
        (b"yesterday", 0),
        (b"", 0),
    ],
)
def test_the_time_of_the_stamp(date: bytes, seconds: int) -> None:
    (field,) = read_headers(b"Received: by b with SMTP id 7; " + date + b"\r\n").fields
    assert stamped_at(field) == seconds


async def test_ids_begin_with_the_time_of_the_stamp(site: Site) -> None:
    """So that they are neighbours in the queue's index."""
    assert (await sent(site, STAMP + REST))[:9] == queue_id(NOW * 1000, bytes(10))[:9]


def test_workers_that_start_at_once_share_one_secret(tmp_path: Path) -> None:
    for attempt in range(20):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        together = threading.Barrier(4)

        def ask(_: int, folder: Path = folder, together: threading.Barrier = together) -> bytes:
            together.wait(30)
            return shared_secret(str(folder))

        with ThreadPoolExecutor(4) as pool:
            (secret,) = set(pool.map(ask, range(4)))
        assert len(secret) == SECRET_OCTETS
        (file,) = folder.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_damaged_secret_is_told(tmp_path: Path) -> None:
    (tmp_path / "queue-id.secret").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"queue-id\.secret: not a secret of ours; remove the file"):
        shared_secret(str(tmp_path))
