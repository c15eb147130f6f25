"""For whom the mta takes mail, and what it writes into it."""

import itertools
import re
from pathlib import Path

from postroom.policy.srs import Rewriter

from ...smtp_site import HOST, Site

MESSAGE = (
    b"From: x@outside.example\r\nTo: ada@alpha.example\r\nMessage-ID: <one@outside.example>\r\n\r\nHello\r\n"
)


async def recipients(site: Site, *addresses: str, sender: str = "x@outside.example") -> list[tuple[str, ...]]:
    client = await site.greeted()
    assert (await client.send_message(sender, addresses, MESSAGE)).startswith("250 ")
    return list(site.queued()[-1].recipients)


async def refusal(site: Site, address: str) -> str:
    client = await site.greeted()
    await client.ask("MAIL FROM:<x@outside.example>")
    return await client.ask(f"RCPT TO:<{address}>")


async def test_addresses_are_resolved(site: Site) -> None:
    ada = ("mailbox", "ada@alpha.example", "id-ada", None)
    assert await recipients(site, "Ada@ALPHA.example") == [("mailbox", "Ada@alpha.example", "id-ada", None)]
    assert await recipients(site, "ada+tag@alpha.example") == [
        ("mailbox", "ada+tag@alpha.example", "id-ada", None)
    ]
    assert await recipients(site, "ada@alias.example") == [ada]
    assert await recipients(site, f"root@{HOST}") == [ada]
    assert await recipients(site, "anyone@catch.example") == [
        ("mailbox", "bob@alpha.example", "id-bob", None)
    ]


async def test_alias_and_its_member_are_one_copy(site: Site) -> None:
    rows = await recipients(site, "team@alpha.example", "ada@alpha.example")
    assert sorted(row[2] for row in rows) == ["id-ada", "id-bob"]


async def test_outside_forward_gets_an_srs_sender_and_takes_bounces_back(site: Site) -> None:
    ((hop, address, account, sender),) = await recipients(site, "away@alpha.example")
    assert (hop, address, account) == ("world", "someone@outside.example", "")
    assert sender is not None
    assert re.fullmatch(r"SRS0=[a-z2-7]{8}=[a-z2-7]{2}=outside\.example=x@alpha\.example", sender)
    assert await recipients(site, sender, sender="") == [("world", "x@outside.example", "", None)]
    assert (await refusal(site, sender.replace("=x@", "=y@"))).startswith("550 5.1.1")
    foreign = Rewriter("alpha.example", (b"not the secret of this host",)).forward(
        "x@outside.example", 1_790_000_000
    )
    assert (await refusal(site, foreign)).startswith("550 5.1.1")


async def test_postmaster_is_always_there(site: Site) -> None:
    for address in ("postmaster", "POSTMASTER", "postmaster@alpha.example", "Postmaster@gamma.example"):
        assert [row[2] for row in await recipients(site, address)] == ["id-ada"]


async def test_unknown_and_disabled(site: Site) -> None:
    assert (await refusal(site, "nobody@alpha.example")).startswith("550 5.1.1")
    assert (await refusal(site, "off@alpha.example")).startswith("550 5.2.1")


async def test_over_quota(site: Site) -> None:
    site.servers["smtp"].reception.fullness._steady = itertools.count().__next__  # type: ignore[attr-defined]
    (site.folder / "full" / "id-ada").touch()
    assert (await refusal(site, "ada@alpha.example")).startswith("452 4.2.2")
    assert len(await recipients(site, "team@alpha.example")) == 2
    (site.folder / "full" / "id-bob").touch()
    assert (await refusal(site, "team@alpha.example")).startswith("452 4.2.2")
    (site.folder / "full" / "id-ada").unlink()
    assert await recipients(site, "ada@alpha.example")


async def test_directory_gone_is_temporary(site: Site) -> None:
    reception = site.servers["smtp"].reception
    reception.router._directory.close()  # type: ignore[attr-defined]
    Path(site.folder / "directory.db").unlink()
    assert (await refusal(site, "ada@alpha.example")).startswith("451 4.3.0")


async def test_received(site: Site) -> None:
    client = await site.greeted()
    await client.send_message("x@outside.example", ["ada@alpha.example"], MESSAGE)
    await client.send_message("x@outside.example", ["ada@alpha.example", "bob@alpha.example"], MESSAGE)
    one, two = site.queued()
    assert re.match(
        rb"Received: from client\.example \(\[127\.0\.0\.1\]\)\r\n"
        rb"\tby mail\.alpha\.example \(Postroom\) with ESMTP id %s\r\n\tfor <ada@alpha\.example>;\r\n"
        rb"\t(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} [A-Z][a-z]{2} 20\d\d \d\d:\d\d:\d\d \+0000\r\n"
        % one.id.encode(),
        one.head,
    )
    assert b"for <" not in two.head
    await client.ask("HELO client.example")
    await client.send_message("x@outside.example", ["ada@alpha.example"], MESSAGE)
    assert b" with SMTP id " in site.queued()[-1].head
    assert one.message_id == "<one@outside.example>"
    assert one.origin == "inbound"


async def test_log_line(site: Site) -> None:
    await recipients(site, "ada@alpha.example")
    (row,) = site.queued()
    assert (
        "info",
        f"{row.id}: client=127.0.0.1 message-id=<one@outside.example> from=<x@outside.example>"
        f" size={row.size} nrcpt=1",
    ) in site.log.lines


async def test_message_without_a_body_or_header(site: Site) -> None:
    client = await site.greeted()
    for message in (b"", b"\r\n", b"From: x@outside.example\r\n", b"\r\nno header at all\r\n"):
        assert (await client.send_message("x@outside.example", ["ada@alpha.example"], message)).startswith(
            "250 "
        )
        row = site.queued()[-1]
        assert row.head.endswith(b"\r\n\r\n")
        assert row.size == len(row.content)
        assert row.content.endswith(message + (b"" if message.startswith(b"\r\n") else b"\r\n"))


async def test_x10_lines_that_are_no_field_are_refused_and_separators_dropped(site: Site) -> None:
    client = await site.greeted()
    for line in (b"From\r\n : <ceo@bank.example>\r\n", b"Authentication-Results\r\n : mail.alpha.example; x\r\n",
                 b"no field\r\n", b" continues our own\r\n", b"\xef\xbb\xbfFrom: ceo@bank.example\r\n"):  # fmt: skip
        reply = await client.send_message("x@outside.example", ["ada@alpha.example"], line + MESSAGE)
        assert reply.startswith("554 5.6.0 "), line
    assert site.queued() == []
    for line in (
        b"From x@outside.example Mon\r\n",
        b">From x@outside.example Mon\r\n",
        b"From x\r\n>From y\r\n",
    ):
        reply = await client.send_message("x@outside.example", ["ada@alpha.example"], line + MESSAGE)
        assert reply.startswith("250 "), line
        row = site.queued()[-1]
        assert row.content.endswith(b" +0000\r\n" + MESSAGE)
        assert b"From x" not in row.content
        assert row.size == len(row.content)
