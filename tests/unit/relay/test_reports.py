"""What senders read: the words of those who spoke, the host's name for its mailboxes, and nothing of its inside."""

import re

import pytest

from ...relay_site import Site, mailbox, message, put, world
from .test_app import BODY, HEAD, World, make_keys, outside

__all__ = ["outside"]
SOON = {"warn_after": 0.5, "retry_minimum": 0.3, "retry_maximum": 0.3}
OVER = {**SOON, "warn_after": 0.0, "expire_after": 0.5}


def about(report: bytes) -> dict[str, str]:
    """The fields on the recipient."""
    part = report.split(b"message/delivery-status\r\n\r\n")[1].split(b"\r\n\r\n")[1].decode()
    lines = part.split("--report")[0].replace("\r\n ", " ")
    return dict(re.findall(r"^([A-Za-z-]+): ([^\r]*)\r?$", lines, re.MULTILINE))


def clean(site: Site, report: bytes) -> None:
    """No place of this host is in the part that we write."""
    own = report.split(b"message/rfc822")[0].split(b"text/rfc822-headers")[0]
    assert b".sock" not in own
    assert str(site.folder).encode() not in own
    assert b"dns; /" not in own
    assert b"internal" not in own


@pytest.mark.parametrize("outside", [{**SOON}], indirect=True)
async def test_a_mailbox_that_is_away_is_told_by_the_name_of_its_host(outside: World) -> None:
    make_keys(outside.site.folder / "dkim" / "alpha.example")
    outside.site.kill("mda")
    await put(outside.spool, message(mailbox(2), world("later@beta.example"), sender="w@beta.example",
              vouched=True, size=len(HEAD + BODY)), HEAD, BODY)  # fmt: skip
    await outside.site.until(lambda: len(outside.exchange.taken) == 2)
    local, other = sorted(outside.exchange.taken, key=lambda one: b"later@" in one)
    for report in (local, other):
        clean(outside.site, report)
    assert b"mailboxes of mail.alpha.example: " in local
    fields = about(local)
    assert fields["Action"] == "delayed"
    assert not {"Diagnostic-Code", "Remote-MTA", "Original-Recipient"} & set(fields)
    fields = about(other)
    assert fields["Remote-MTA"] == "dns; mx.beta.example"
    assert fields["Diagnostic-Code"] == "smtp; 451 4.7.1 come back"
    assert b"mx.beta.example said: 451 4.7.1 come back" in other


async def test_what_the_mailboxes_say_is_said_by_their_host(outside: World) -> None:
    """The account went between acceptance and delivery."""
    gone = mailbox(77)
    await put(outside.spool, message(gone, size=len(HEAD + BODY)), HEAD, BODY)
    report = await outside.mail(b"Your message was not delivered")
    clean(outside.site, report)
    fields = about(report)
    assert fields["Remote-MTA"] == "dns; mail.alpha.example"
    assert fields["Diagnostic-Code"].startswith("smtp; 550 5.1.1 ")
    assert b"mail.alpha.example said: 550 5.1.1 " in report


@pytest.mark.parametrize("outside", [OVER], indirect=True)
async def test_words_of_a_server_stay_its_own_when_we_give_up(outside: World) -> None:
    await outside.send("later@beta.example")
    report = await outside.mail(b"Your message was not delivered")
    fields = about(report)
    assert fields["Status"] == "5.4.7"
    assert fields["Diagnostic-Code"] == "smtp; 451 4.7.1 come back"
    text = b" ".join(report.split())
    assert b"mx.beta.example said: 451 4.7.1 come back (given up after too long a time)" in text


@pytest.mark.parametrize("outside", [OVER], indirect=True)
async def test_a_dead_server_has_said_nothing_and_its_reason_is_told_once(outside: World) -> None:
    await outside.exchange.stop()
    for number in range(3):
        await outside.send(f"b{number}@beta.example")
    for number in range(3):
        report = await outside.mail(b"Final-Recipient: rfc822; b%d@beta.example" % number)
        assert not {"Diagnostic-Code", "Remote-MTA"} & set(about(report))
        assert about(report)["Status"].startswith("5.4.")
        assert b" said: " not in report
        own = b" ".join(report.split(b"message/rfc822")[0].split())
        assert own.count(b"Connection refused") == 1
        assert own.count(b"connect to mx.beta.example") == 1
    log = outside.site.log("relay")
    assert not re.search(r"\(451 [0-9.]+ [^)]*451 [0-9.]+ ", log)
