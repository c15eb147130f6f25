"""X34: one line per failure at most, no traceback, no secret."""

import asyncio
import ssl
from base64 import b64encode

import pytest

from ...smtp_site import Site


@pytest.mark.parametrize("name", ["smtp", "submission", "submissions"])
@pytest.mark.parametrize(
    "octets", [b"\x16\x03\x01\x00\x05hello", b"GET / HTTP/1.0\r\n\r\n", b"", b"\0" * 600]
)
async def test_failed_handshake_is_one_line(
    site: Site, name: str, octets: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    caught: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: caught.append(context))
    client = await site.connect(name)
    if name != "submissions":
        assert (await client.reply()).startswith("220")
        assert (await client.ask("STARTTLS")).startswith("220")
    site.log.lines.clear()
    client.send(octets)
    client.writer.write_eof()
    await client.reader.read()
    await ended(site, name)
    assert len(site.log.lines) <= 1
    assert caught == []
    assert "Traceback" not in "".join(capfd.readouterr())


async def ended(site: Site, name: str) -> None:
    """Until the server has forgotten the connection."""
    async with asyncio.timeout(60):
        while site.servers[name].sessions:
            await asyncio.sleep(0.005)


async def test_old_tls_is_one_line(site: Site) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("AES128-SHA:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", site.ports["submissions"], ssl=context)
    await ended(site, "submissions")
    assert len(site.log.lines) == 1


async def test_passwords_are_not_logged(site: Site) -> None:
    client = await site.greeted("submissions", tls=True)
    for secret in ("canary-1234", "canary-5678"):
        response = b64encode(f"\0ada@alpha.example\0{secret}".encode()).decode()
        assert (await client.ask(f"AUTH PLAIN {response}")).startswith("535 5.7.8")
        assert await client.ask("AUTH LOGIN") == "334 VXNlcm5hbWU6"
        assert await client.ask(b64encode(b"ada@alpha.example").decode()) == "334 UGFzc3dvcmQ6"
        assert (await client.ask(b64encode(secret.encode()).decode())).startswith("535 ")
        text = "\n".join(text for _, text in site.log.lines)
        assert secret not in text
        assert response not in text
    assert len(site.log.lines) <= 4


async def test_refusals_in_one_session_are_one_line_each(site: Site) -> None:
    client = await site.greeted()
    await client.ask("MAIL FROM:<a@b.example>")
    for number in range(5):
        await client.ask(f"RCPT TO:<no{number}@alpha.example>")
    assert len(site.log.lines) == 5
    assert all("reject: RCPT" in text for _, text in site.log.lines)


async def test_a_refusal_tells_who_wrote_to_whom(site: Site) -> None:
    client = await site.greeted()
    await client.send_message("a@b.example", ["ada@alpha.example", "bob@alpha.example"], b"x\nx\r\n")
    assert "from=<a@b.example> to=<ada@alpha.example> and 1 more" in site.log.lines[-1][1]
    client = await site.greeted()
    await client.send_message("a@b.example", ["ada@alpha.example"], b"Received: x\r\n" * 50 + b"\r\n")
    assert "5.4.6" in site.log.lines[-1][1]
    assert "from=<a@b.example> to=<ada@alpha.example> helo=" in site.log.lines[-1][1]
    client = await site.logged_in("ada@alpha.example")
    await client.ask("MAIL FROM:<bob@alpha.example>")
    assert "reject: MAIL" in site.log.lines[-1][1]
    assert "from=<bob@alpha.example> account=ada@alpha.example" in site.log.lines[-1][1]
