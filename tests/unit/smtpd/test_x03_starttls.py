"""X3: nothing from before TLS survives it. RFC 3207 sections 4.2 and 6."""

import pytest

from ...smtp_site import Site


@pytest.mark.parametrize("name", ["smtp", "submission"])
@pytest.mark.parametrize(
    "behind", [b"NOOP\r\n", b"N", b"\r\n", b"EHLO evil.example\r\nMAIL FROM:<a@b.example>\r\n"], ids=repr
)
async def test_octets_behind_starttls_close_the_connection(site: Site, name: str, behind: bytes) -> None:
    client = await site.greeted(name)
    client.send(b"STARTTLS\r\n" + behind)
    assert [one[:3] for one in await client.replies()] == ["501"]
    assert len([text for _, text in site.log.lines if "STARTTLS" in text]) == 1


@pytest.mark.parametrize("name", ["smtp", "submission"])
async def test_state_is_forgotten(site: Site, name: str) -> None:
    client = await site.greeted(name)
    if name == "smtp":
        assert (await client.ask("MAIL FROM:<a@b.example>")).startswith("250 ")
        assert (await client.ask("RCPT TO:<ada@alpha.example>")).startswith("250 ")
    assert (await client.ask("STARTTLS")).startswith("220 ")
    await client.start_tls(site.client_tls())
    assert (await client.ask("DATA")).startswith("503 ")
    assert (await client.ask("MAIL FROM:<a@b.example>")).startswith("503 5.5.1 Send EHLO")
    heard = await client.ask("EHLO client.example")
    assert "STARTTLS" not in heard
    assert (await client.ask("STARTTLS")).startswith("503 ")
    assert (await client.ask("RCPT TO:<ada@alpha.example>")).startswith("503 ")


async def test_message_under_tls_is_traced(site: Site) -> None:
    client = await site.greeted()
    await client.ask("STARTTLS")
    await client.start_tls(site.client_tls())
    await client.ask("EHLO client.example")
    message = b"From: x@outside.example\r\n\r\nHello\r\n" + b"x" * 70 + b"\r\n" * 1000
    assert (await client.send_message("x@outside.example", ["ada@alpha.example"], message)).startswith("250 ")
    (row,) = site.queued()
    assert b"(using TLSv1.3 with cipher TLS_" in row.head
    assert b" with ESMTPS id " + row.id.encode() in row.head


async def test_starttls_takes_no_argument_and_implicit_tls_offers_none(site: Site) -> None:
    client = await site.greeted()
    assert (await client.ask("STARTTLS now")).startswith("501 ")
    secured = await site.connect("submissions", tls=True)
    await secured.reply()
    assert "STARTTLS" not in await secured.ask("EHLO client.example")
    assert (await secured.ask("STARTTLS")).startswith("503 ")
