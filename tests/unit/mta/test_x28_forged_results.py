"""X27 and X28: forged results are removed from every place, and authors are judged as DMARC wants it."""

import itertools
from pathlib import Path

import pytest
from postroom.policy.lookups import LookupStatus

from ...smtp_site import HOST, Site, running

pytestmark = pytest.mark.settings(verify_authentication=True)

FORGED = (
    f"Authentication-Results: {HOST}; dmarc=pass".encode(),
    f"AUTHENTICATION-RESULTS:{HOST.upper()} 1; spf=pass".encode(),
    f"authentication-results : (comment) {HOST}; dkim=pass".encode(),
    f"Authentication-Results:\r\n\t{HOST};\r\n\tdkim=pass".encode(),
    f'Authentication-Results: "{HOST}"; dkim=pass'.encode(),
    b"X-Postroom-Verdict: ham",
    b"x-postroom-anything: junk",
)
OTHERS = (b"Subject: one", b"Authentication-Results: other.example; spf=pass", b"From: x@outside.example")


async def deliver(site: Site, message: bytes, sender: str = "x@outside.example") -> str:
    client = await site.greeted()
    return await client.send_message(sender, ["ada@alpha.example"], message)


@pytest.mark.parametrize("forged", FORGED, ids=repr)
async def test_forged_fields_go_from_every_position(site: Site, forged: bytes) -> None:
    for place in range(len(OTHERS) + 1):
        fields = [*OTHERS[:place], forged, *OTHERS[place:]]
        assert (await deliver(site, b"\r\n".join(fields) + b"\r\n\r\nHello\r\n")).startswith("250 ")
        row = site.queued()[-1]
        assert row.head.endswith(b"\r\n".join(OTHERS) + b"\r\n\r\n")
        assert row.head.lower().count(b"authentication-results") == 2
        assert row.head.lower().count(b"x-postroom-") == 1
        assert row.head.startswith(f"Authentication-Results: {HOST}; spf=".encode())


def publish(site: Site, policy: str) -> None:
    site.zone.rows[("outside.example", "TXT")] = [b"v=spf1 ip4:192.0.2.1 -all"]
    site.zone.rows[("_dmarc.outside.example", "TXT")] = [f"v=DMARC1; p={policy}".encode()]


MESSAGE = b"From: x@outside.example\r\nTo: ada@alpha.example\r\n\r\nHello\r\n"


async def test_reject(site: Site) -> None:
    publish(site, "reject")
    reply = await deliver(site, MESSAGE)
    assert reply == "550 5.7.1 Message refused by the DMARC policy of outside.example"
    assert site.queued() == []


async def test_quarantine(site: Site) -> None:
    publish(site, "quarantine")
    assert (await deliver(site, MESSAGE)).startswith("250 ")
    (row,) = site.queued()
    head = row.head.replace(b"\r\n ", b" ")
    assert b"X-Postroom-Verdict: junk; DMARC policy of outside.example asks for quarantine\r\n" in head
    assert "dmarc=fail" in row.authentication
    assert not row.vouched


async def test_pass_vouches(site: Site) -> None:
    publish(site, "reject")
    site.zone.rows[("outside.example", "TXT")] = [b"v=spf1 ip4:127.0.0.1 -all"]
    assert (await deliver(site, MESSAGE)).startswith("250 ")
    (row,) = site.queued()
    assert "spf=pass" in row.authentication
    assert "dmarc=pass" in row.authentication
    assert b"X-Postroom-Verdict: ham\r\n" in row.head
    assert row.vouched


@pytest.mark.parametrize("name", ["_dmarc.outside.example", "outside.example"])
async def test_dns_failure_is_temporary(site: Site, name: str) -> None:
    publish(site, "reject")
    site.zone.rows[(name, "TXT")] = LookupStatus.TEMPORARY
    assert (await deliver(site, MESSAGE)).startswith("451 4.3.0")
    assert site.queued() == []


@pytest.mark.settings(verify_authentication=True, honour_dmarc=False)
async def test_policy_may_be_left_to_others(site: Site) -> None:
    publish(site, "reject")
    assert (await deliver(site, MESSAGE)).startswith("250 ")
    assert b"X-Postroom-Verdict: ham\r\n" in site.queued()[0].head


@pytest.mark.parametrize(
    "fields",
    [
        b"From: x@outside.example\r\nFrom: y@alpha.example\r\n",
        b"From: x@outside.example, y@alpha.example\r\n",
        b"From: x@outside.example\r\nfrom : y@alpha.example\r\n",
        b"From: [x] <x@outside.example> y@alpha.example\r\n",
    ],
    ids=repr,
)
async def test_x27_several_authors_are_refused(site: Site, fields: bytes) -> None:
    publish(site, "none")
    reply = await deliver(site, fields + b"Subject: x\r\n\r\nHello\r\n")
    assert reply.startswith("550 5.7.1"), reply
    assert site.queued() == []


NO_DOMAIN = [
    b"To: ada@alpha.example\r\n",
    b"From:\r\n",
    b"From: nobody\r\n",
    b"From: MAILER-DAEMON <>\r\n",
    b"From: Mail Delivery System <>\r\n",
    b"From: root (Cron Daemon)\r\n",
    b"From: MAILER-DAEMON@[192.0.2.1]\r\n",
]


@pytest.mark.parametrize("fields", NO_DOMAIN, ids=repr)
async def test_an_author_who_cannot_be_known_is_junk_unless_it_is_a_report(site: Site, fields: bytes) -> None:
    for sender, verdict in (("", b"ham"), ("x@outside.example", b"junk; the author cannot be known: ")):
        assert (await deliver(site, fields + b"Subject: x\r\n\r\nHello\r\n", sender)).startswith("250 ")
        head = site.queued()[-1].head.replace(b"\r\n ", b" ")
        assert b"X-Postroom-Verdict: " + verdict in head
        assert b"; dmarc=permerror reason=" in head


@pytest.mark.parametrize("sender", ["", "x@outside.example"])
@pytest.mark.parametrize(
    ("author", "reason"),
    [
        (b"=?utf-7?Q?ceo+AEA-bank.example?=", b"the From field hides"),
        (b"ceo@[bank.example]", b"the author cannot be known"),
        (b"ceo@bank..example", b"the author cannot be known"),
    ],
)
async def test_x27_an_author_who_may_be_shown_though_we_do_not_see_him_is_junk(
    site: Site, sender: str, author: bytes, reason: bytes
) -> None:
    assert (await deliver(site, b"From: " + author + b"\r\n\r\nHello\r\n", sender)).startswith("250 ")
    assert b"X-Postroom-Verdict: junk; " + reason in site.queued()[0].head


@pytest.mark.parametrize("settings", [{"verify_authentication": False}, {"honour_dmarc": False}])
@pytest.mark.parametrize(
    "fields", [*NO_DOMAIN, b"From: a@x.example, b@y.example\r\nFrom: c@z.example\r\n"], ids=repr
)
async def test_without_verification_nobody_is_refused_for_his_author(
    tmp_path: Path, settings: dict[str, bool], fields: bytes
) -> None:
    async with running(tmp_path, settings) as site:
        assert (await deliver(site, fields + b"Subject: x\r\n\r\nHello\r\n")).startswith("250 ")
        assert b"junk" not in site.queued()[0].head


UNTIDY = [
    b"x@outside.example <x@outside.example>", b"[x] & y: <x@outside.example>", b"x @ y; z \\ <x@outside.example>",
    b"J. R. <x@outside.example>;", b"x..y@outside.example", b"x.@outside.example", b"<x@outside.example.>",
    b'5" disks <x@outside.example>', b"Caf\xe9 [Paris] <x@outside.example>", b"<x@outside.example>",
]  # fmt: skip


@pytest.mark.parametrize("author", UNTIDY, ids=repr)
async def test_an_untidy_author_is_judged_by_his_domain(site: Site, author: bytes) -> None:
    message = b"From: " + author + b"\r\nTo: ada@alpha.example\r\n\r\nHello\r\n"
    publish(site, "none")
    assert (await deliver(site, message)).startswith("250 ")
    head = site.queued()[0].head.replace(b"\r\n ", b" ")
    assert b"header.from=outside.example" in head
    assert b"X-Postroom-Verdict: ham" in head
    publish(site, "reject")
    assert (await deliver(site, message)).startswith("550 5.7.1 Message refused by the DMARC policy")


def test_positions_are_all_tried() -> None:
    assert len(list(itertools.product(FORGED, range(len(OTHERS) + 1)))) == 28
