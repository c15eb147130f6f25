"""SPF, DKIM and DMARC on a message that really came in."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from postroom.policy.dkim import SigningKey, load_key, sign_message

from ...smtp_site import Site

pytestmark = pytest.mark.settings(verify_authentication=True)
BODY = b"".join(b"%06d a line of a large message\r\n" % number for number in range(20_000))
MESSAGE = b"From: x@outside.example\r\nTo: ada@alpha.example\r\nSubject: s\r\nDate: Mon, 23 Nov 2026 04:00:00 +0000\r\n"
MESSAGE += b"Message-ID: <1@outside.example>\r\n\r\n" + BODY


@pytest.fixture(scope="module")
def key() -> SigningKey:
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return load_key("outside.example", "sel", pem)


async def deliver(
    site: Site, key: SigningKey, *, damage: bool = False, sender: str = "x@outside.example"
) -> str:
    site.zone.rows[("sel._domainkey.outside.example", "TXT")] = [key.record.encode()]
    site.zone.rows[("_dmarc.outside.example", "TXT")] = [b"v=DMARC1; p=reject"]
    now = int(site.servers["smtp"].reception.clock.now())  # type: ignore[attr-defined]
    signed = sign_message(MESSAGE, [key], now=now) + MESSAGE
    if damage:
        signed = signed.replace(b"a line of a large", b"a line of a forged", 1)
    client = await site.greeted()
    return await client.send_message(sender, ["ada@alpha.example"], signed)


async def test_signature_over_a_large_body_passes_and_vouches(site: Site, key: SigningKey) -> None:
    assert (await deliver(site, key)).startswith("250 ")
    (row,) = site.queued()
    assert "dkim=pass header.d=outside.example header.s=sel header.a=ed25519-sha256" in row.authentication
    assert "dmarc=pass" in row.authentication
    assert row.vouched
    assert row.content.endswith(MESSAGE[-1000:])


async def test_damaged_body_fails(site: Site, key: SigningKey) -> None:
    assert (await deliver(site, key, damage=True)).startswith("550 5.7.1")
    assert site.queued() == []


async def test_signature_does_not_vouch_for_another_envelope(site: Site, key: SigningKey) -> None:
    assert (await deliver(site, key, sender="victim@elsewhere.example")).startswith("250 ")
    assert not site.queued()[0].vouched


async def test_the_log_line_says_what_was_found(site: Site, key: SigningKey) -> None:
    await deliver(site, key)
    assert any("spf=none dkim=pass dmarc=pass" in text for _, text in site.log.lines)
