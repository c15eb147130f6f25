"""The relay as a process: to another server, to mailboxes of the real mda, with reports and an orderly end."""

import asyncio
import email
import json
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from postroom.contracts.queue import Origin
from postroom.policy import dkim
from postroom.policy.lookups import Answer, LookupStatus, Query, answer_with
from postroom.queue.sqlite.lifecycle import Spool

from ...relay_site import BIN, BODY, Dns, Exchange, Site, mailbox, message, put, world

HEAD = b"From: <ada@alpha.example>\r\nTo: <bob@beta.example>\r\nSubject: hello\r\n\r\n"
ZONE = {
    ("beta.example", "MX"): ["10 mx.beta.example."],
    ("mx.beta.example", "A"): ["127.0.0.1"],
    ("under_score.example", "MX"): ["10 mx.beta.example."],
    ("docomo_1.example", "MX"): ["10 mx.beta.example."],
    ("null.example", "MX"): ["0 ."],
}


class World:
    """The site, its spool, and the rest of the world."""

    def __init__(self, site: Site, spool: Spool, exchange: Exchange) -> None:
        self.site, self.spool, self.exchange = site, spool, exchange

    async def send(self, *recipients: str, **facts: Any) -> str:
        to = tuple(mailbox(int(one)) if one.isdigit() else world(one) for one in recipients)
        return await put(self.spool, message(*to, size=len(HEAD + BODY), **facts), HEAD, BODY)

    def queue(self, *arguments: str) -> list[dict[str, Any]]:
        """`postroom queue ... --json`."""
        places = ["--spools", f"{self.site.folder}/spool"]
        if arguments[0] not in ("list", "show"):
            places += ["--run-directory", f"{self.site.folder}/run"]
        command = [BIN / "postroom", "queue", *arguments, *places, "--json"]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in result.stdout.splitlines()]

    async def mail(self, text: bytes) -> bytes:
        """The message in somebody's mailbox that holds the text, when it has come."""
        await self.site.until(lambda: any(text in content for content in self.site.contents()))
        return next(content for content in self.site.contents() if text in content)


@pytest.fixture
async def outside(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Everything runs, except the exchange, which the test starts."""
    settings = {"retry_minimum": 3600.0, "retry_maximum": 7200.0, **getattr(request, "param", {})}
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Dns(ZONE), ("127.0.0.1", 0))
    exchange = Exchange()
    await exchange.start()
    with tempfile.TemporaryDirectory(prefix="pr", dir="/var/tmp") as folder:
        site = Site(
            Path(folder), selectors=("rsa", "ed"), smtp_port=exchange.port,
            resolver=f"127.0.0.1:{transport.get_extra_info('sockname')[1]}", **settings,
        )  # fmt: skip
        spool = site.spool()
        try:
            for agent in ("mda", "relay"):
                site.start(agent)
            await site.until(lambda: "ready" in site.log("relay") and "ready" in site.log("mda"))
            yield World(site, spool, exchange)
        finally:
            await asyncio.to_thread(site.stop)  # the exchange goes on answering meanwhile
            await spool.close()
            await exchange.stop()
            transport.close()
            assert "Traceback" not in site.log("relay")


def make_keys(folder: Path) -> dict[str, bytes]:
    """Two keys on disk; their DNS records by name."""
    folder.mkdir(parents=True)
    records = {}
    made: list[tuple[str, Any]] = [
        ("rsa", rsa.generate_private_key(65537, 2048)), ("ed", ed25519.Ed25519PrivateKey.generate())
    ]  # fmt: skip
    for selector, key in made:
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / f"{selector}.pem").write_bytes(pem)
        records[f"{selector}._domainkey.alpha.example"] = dkim.load_key(
            "alpha.example", selector, pem
        ).record.encode()
    return records


async def test_mail_for_elsewhere_is_signed_twice_and_logged(outside: World) -> None:
    records = make_keys(outside.site.folder / "dkim" / "alpha.example")
    identity = await outside.send("bob@beta.example", signing_domain="alpha.example")
    await outside.site.until(lambda: outside.site.queued() == 0)

    def resolve(query: Query) -> Answer:
        return Answer(LookupStatus.FOUND, (records[query.name],))

    verdicts = answer_with(dkim.verify(outside.exchange.taken[0], now=int(time.time())), resolve)
    assert sorted((verdict.algorithm, verdict.result.value) for verdict in verdicts) == [
        ("ed25519-sha256", "pass"), ("rsa-sha256", "pass")
    ]  # fmt: skip
    line = next(line for line in outside.site.log("relay").splitlines() if identity in line)
    assert re.search(
        r"to=<bob@beta\.example>, relay=mx\.beta\.example\[127\.0\.0\.1\]:\d+, delay=[\d.]+,"
        r" delays=[^,]+, dsn=2\.0\.0, status=sent \(250 2\.0\.0 taken\)",
        line,
    )


async def test_without_its_key_mail_waits(outside: World) -> None:
    await outside.send("bob@beta.example", signing_domain="alpha.example")
    await outside.site.until(lambda: "cannot sign: DKIM key" in outside.site.log("relay"))
    await outside.site.until(lambda: outside.queue("list")[0]["queue_name"] == "deferred")
    make_keys(outside.site.folder / "dkim" / "alpha.example")
    outside.queue("retry", "--all")
    await outside.site.until(lambda: outside.site.queued() == 0)
    assert outside.exchange.taken[0].startswith(b"DKIM-Signature:")


async def test_a_server_without_8bitmime_gets_seven_bits_of_what_is_ours(outside: World) -> None:
    records = make_keys(outside.site.folder / "dkim" / "alpha.example")
    outside.exchange.eight_bits = False
    text = "Grüße aus Köln\r\n".encode() * 10
    to = world("bob@beta.example")
    await put(outside.spool, message(to, signing_domain="alpha.example"), HEAD, text)
    await outside.site.until(lambda: outside.site.queued() == 0)
    (taken,) = outside.exchange.taken
    assert taken.isascii()
    assert email.message_from_bytes(taken).get_payload(decode=True) == text
    results = dkim.verify(taken, now=int(time.time()))
    verdicts = answer_with(results, lambda query: Answer(LookupStatus.FOUND, (records[query.name],)))
    assert [verdict.result.value for verdict in verdicts] == ["pass", "pass"]
    # a report on what others have written arrives too; what others have written is not touched
    inbound = {"sender": "who@beta.example", "origin": Origin.INBOUND, "vouched": True}
    await put(outside.spool, message(world("x@null.example"), **inbound), HEAD, text)
    await put(outside.spool, message(to, **inbound), HEAD, text)
    await outside.site.until(lambda: len(outside.exchange.taken) == 3)
    reports = outside.exchange.taken[1:]
    assert all(b"multipart/report" in one and one.isascii() for one in reports)
    assert sorted(status for one in reports for status in re.findall(rb"Status: (\S+)", one)) == [
        b"5.1.10",
        b"5.6.3",
    ]
    for one in reports:
        original = email.message_from_bytes(one).get_payload()[2]
        assert original.get_payload()[0].get_payload(decode=True) == text


async def test_refused_mail_comes_back_to_its_sender(outside: World) -> None:
    identity = await outside.send("no@beta.example", "bob@beta.example", "2")
    bounce = await outside.mail(b"Your message was not delivered")
    assert b"Final-Recipient: rfc822; no@beta.example\r\nAction: failed\r\nStatus: 5.1.1" in bounce
    assert b"bob@beta.example" not in bounce.split(b"message/rfc822")[0]
    assert identity.encode() in bounce
    await outside.site.until(lambda: outside.site.queued() == 0)
    assert len(outside.exchange.taken) == 1


async def test_the_null_sender_is_never_told_and_our_own_reports_go_to_the_postmaster(outside: World) -> None:
    await outside.send("no@beta.example", sender="", origin=Origin.INBOUND)
    await outside.site.until(lambda: "nobody is told" in outside.site.log("relay"))
    await outside.send("no@beta.example", sender="", origin=Origin.REPORT)
    report = await outside.mail(b"A notification of ours could not be delivered.")
    assert b"To: <postmaster@mail.alpha.example>" in report
    await outside.site.until(lambda: outside.site.queued() == 0)
    assert len(outside.site.contents()) == 1


async def test_a_sender_for_whom_nothing_vouches_is_not_told(outside: World) -> None:
    make_keys(outside.site.folder / "dkim" / "alpha.example")
    await outside.send("null@null.example", sender="who@beta.example", origin=Origin.INBOUND)
    report = await outside.mail(b"nothing vouches for its sender")
    assert b"X-Postroom-" in report
    await outside.send("null@null.example", sender="who@beta.example", origin=Origin.INBOUND, vouched=True)
    await outside.site.until(lambda: len(outside.exchange.taken) == 1)
    bounce = outside.exchange.taken[0]
    assert b"Status: 5.1.10" in bounce
    assert b"From: Mail delivery at mail.alpha.example" in bounce
    assert bounce.startswith(b"DKIM-Signature:")
    assert b"d=alpha.example;" in bounce.partition(b"\r\nFrom:")[0]


async def test_long_senders_are_told_too(outside: World) -> None:
    make_keys(outside.site.folder / "dkim" / "alpha.example")
    sender = f"{'bounces-' * 9}42@beta.example"  # over 64 octets, as senders of bounces often are
    await outside.send("null@null.example", sender=sender, origin=Origin.INBOUND, vouched=True)
    await outside.site.until(lambda: len(outside.exchange.taken) == 1)
    assert f"To: <{sender}>".encode() in outside.exchange.taken[0].replace(b"\r\n ", b" ")


async def test_unusual_addresses_go_out_in_the_form_that_any_server_takes(outside: World) -> None:
    make_keys(outside.site.folder / "dkim" / "alpha.example")
    sender = '"a..b"@docomo_1.example'
    recipients = ('"c."@under_score.example', '"d..e"@beta.example')
    await outside.send(*recipients, sender=sender, origin=Origin.INBOUND, vouched=True)
    await outside.site.until(lambda: len(outside.exchange.taken) == 2)
    assert {b"RCPT TO:<%b>" % one.encode() for one in recipients} <= set(outside.exchange.commands)
    assert any(one.startswith(b'MAIL FROM:<"a..b"@docomo_1.example>') for one in outside.exchange.commands)
    # and a report to such a sender, about such a recipient
    await outside.send('"f..g"@null.example', sender=sender, origin=Origin.INBOUND, vouched=True)
    await outside.site.until(lambda: len(outside.exchange.taken) == 3)
    bounce = outside.exchange.taken[2]
    assert b'To: <"a..b"@docomo_1.example>\r\n' in bounce
    assert b'Final-Recipient: rfc822; "f..g"@null.example\r\n' in bounce
    assert outside.exchange.commands.count(b'RCPT TO:<"a..b"@docomo_1.example>') == 1
    await outside.site.until(lambda: outside.site.queued() == 0)


async def test_a_dead_destination_is_asked_once_for_all_and_retried_on_demand(outside: World) -> None:
    port = outside.exchange.port
    await outside.exchange.stop()
    identities = [await outside.send(f"b{number}@beta.example") for number in range(60)]
    await outside.site.until(
        lambda: all(entry["queue_name"] == "deferred" for entry in outside.queue("list"))
    )
    entries = outside.queue("list", "--destination", "beta.example")
    assert {entry["queue_id"] for entry in entries} == set(identities)
    assert all("Connection refused" in entry["recipients"][0]["delay_reason"] for entry in entries)
    assert sum(entry["recipients"][0]["attempts"] for entry in entries) < 10
    due = [entry["recipients"][0]["next_attempt"] - entry["arrival_time"] for entry in entries]
    assert 2600 < min(due) < max(due) < 4600
    assert len({round(value) for value in due}) > 20  # they do not come back together
    await outside.exchange.start(port)
    outside.queue("hold", identities[0])
    assert outside.queue("retry", "--recipient", "b*@beta.example") == [
        {"change": "retry", "messages": 60, "recipients": 59}
    ]
    await outside.site.until(lambda: outside.site.queued() == 1)
    assert outside.queue("list")[0]["queue_name"] == "hold"
    outside.queue("release", identities[0])
    await outside.site.until(lambda: outside.site.queued() == 0)
    assert len(outside.exchange.taken) == 60


async def test_sessions_are_shared_by_messages(outside: World) -> None:
    await asyncio.gather(*(outside.send("bob@beta.example") for _ in range(100)))
    await outside.site.until(lambda: outside.site.queued() == 0)
    assert len(outside.exchange.taken) == 100
    assert outside.exchange.connections <= 10


@pytest.mark.parametrize(
    "outside", [{"warn_after": 1.0, "retry_minimum": 0.5, "retry_maximum": 0.5}], indirect=True
)
async def test_a_warning_is_sent_once(outside: World) -> None:
    await outside.send("later@beta.example")
    warning = await outside.mail(b"Your message is delayed")
    assert b"Action: delayed" in warning
    attempts = outside.queue("list")[0]["recipients"][0]["attempts"]
    await outside.site.until(lambda: outside.queue("list")[0]["recipients"][0]["attempts"] > attempts + 1)
    assert len(outside.site.contents()) == 1


@pytest.mark.parametrize(
    "outside",
    [{"expire_after": 1.0, "retry_minimum": 0.5, "retry_maximum": 0.5, "warn_after": 0.0}],
    indirect=True,
)
async def test_mail_is_given_up(outside: World) -> None:
    await outside.send("later@beta.example")
    bounce = await outside.mail(b"Your message was not delivered")
    assert b"Status: 5.7.1" in bounce or b"Status: 5.4.7" in bounce
    await outside.site.until(lambda: outside.site.queued() == 0)


async def test_the_end_waits_for_what_runs_and_gives_back_the_rest(outside: World) -> None:
    outside.exchange.release.clear()
    for _ in range(30):
        await outside.send("bob@beta.example")
    await outside.site.until(lambda: outside.exchange.connections > 0)
    process = outside.site.running.pop("relay")
    process.send_signal(signal.SIGTERM)
    outside.exchange.release.set()
    assert await asyncio.to_thread(process.wait, 20) == 0
    taken = len(outside.exchange.taken)
    assert taken > 0
    entries = outside.queue("list")
    assert len(entries) == 30 - taken
    assert all(entry["queue_name"] == "incoming" for entry in entries)  # no lease is left


async def test_messages_can_be_shown_and_deleted(outside: World) -> None:
    identity = await outside.send("later@beta.example")
    await outside.site.until(lambda: outside.queue("show", identity)[0]["queue_name"] == "deferred")
    command = [
        BIN / "postroom",
        "queue",
        "show",
        identity,
        "--content",
        "--spools",
        f"{outside.site.folder}/spool",
    ]
    assert subprocess.run(command, capture_output=True, check=True).stdout == HEAD + BODY
    assert outside.queue("delete", identity)[0]["recipients"] == 1
    assert outside.queue("list") == []


async def test_a_dirty_message_is_repaired_or_refused_by_its_origin(outside: World) -> None:
    for origin in (Origin.LOCAL, Origin.INBOUND):
        body = b"one\nline\rmore\r\n.\r\nend"
        envelope = message(world("bob@beta.example"), origin=origin, vouched=True)
        await put(outside.spool, envelope, HEAD, body)
    await outside.mail(b"Status: 5.6.0")
    await outside.site.until(lambda: bool(outside.exchange.taken))
    assert [text.partition(b"\r\n\r\n")[2] for text in outside.exchange.taken] == [
        b"one\r\nline\r\nmore\r\n.\r\nend\r\n"
    ]
