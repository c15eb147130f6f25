"""X27 and X28: forged results are removed from every place, and authors are judged as DMARC wants it."""

import itertools

import pytest
from postroom.policy.lookups import Status

from ...smtp_site import HOST, Site

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
    site.zone.rows[(name, "TXT")] = Status.TEMPORARY
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
        b"To: ada@alpha.example\r\n",
        b"From: x@outside.example\r\nFrom: y@alpha.example\r\n",
        b"From: x@outside.example, y@alpha.example\r\n",
        b"From: x@outside.example\r\nfrom : y@alpha.example\r\n",
        b"From:\r\n",
        b"From: nobody\r\n",
    ],
    ids=repr,
)
async def test_x27_no_author_or_several_are_refused(site: Site, fields: bytes) -> None:
    publish(site, "none")
    reply = await deliver(site, fields + b"Subject: x\r\n\r\nHello\r\n")
    assert reply.startswith("550 5.7.1"), reply
    assert site.queued() == []


def test_positions_are_all_tried() -> None:
    assert len(list(itertools.product(FORGED, range(len(OTHERS) + 1)))) == 28
