"""The SMTP courier under TLS: used where it can be, verified where it can be, and never mixed with clear text."""

import ssl
from pathlib import Path

import pytest
import trustme

from .scripted import Peer, Serve, Servers, accept, courier_for, send


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def tls_script(context: ssl.SSLContext, injected: str = "") -> Serve:
    async def script(peer: Peer) -> None:
        await peer.greet("STARTTLS", "PIPELINING")
        await peer.hear("STARTTLS")
        peer.writer.write(f"220 go\r\n{injected}".encode())
        await peer.writer.start_tls(context)
        await peer.hear("EHLO")
        await peer.say("250-mx", "250 PIPELINING")
        await peer.hear("MAIL", "RCPT", "DATA")
        await peer.say("250 ok", "250 ok", "354 go")
        await peer.message()
        await peer.say("250 2.0.0 taken")

    return script


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, str]:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return ca, str(tmp_path / "ca.pem")


async def test_tls_is_used_and_verified(authority: tuple[trustme.CA, str]) -> None:
    servers = Servers()
    await servers.add("mx1.b.example", tls_script(server_context(authority[0], "mx1.b.example")))
    async with courier_for(servers, authority[1]) as courier:
        attempt = await send(courier)
        assert attempt.replies[0].code == 250
        assert attempt.tls.startswith("TLSv1.3 with ")
        assert attempt.tls.endswith(", verified")


async def test_a_wrong_certificate_still_encrypts(authority: tuple[trustme.CA, str]) -> None:
    servers = Servers()
    script = tls_script(server_context(authority[0], "other.example"))
    await servers.add("mx1.b.example", script, script)
    async with courier_for(servers, authority[1]) as courier:
        attempt = await send(courier)
        assert attempt.replies[0].code == 250
        assert attempt.tls.endswith("not verified")


async def test_a_broken_handshake_goes_on_without_tls() -> None:
    async def broken(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await peer.hear("STARTTLS")
        await peer.say("220 go")
        await peer.reader.read(100)
        peer.writer.write(b"this is no TLS record at all\r\n" * 10)
        await peer.writer.drain()

    servers = Servers()
    await servers.add("mx1.b.example", broken, accept)
    async with courier_for(servers) as courier:
        attempt = await send(courier)
        assert (attempt.replies[0].code, attempt.tls) == (250, "")


async def test_a_handshake_that_is_cut_off_goes_on_without_tls() -> None:
    async def cut_off(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await peer.hear("STARTTLS")
        await peer.say("220 go")
        await peer.reader.read(100)

    servers = Servers()
    await servers.add("mx1.b.example", cut_off, accept)
    async with courier_for(servers) as courier:
        attempt = await send(courier)
        assert (attempt.replies[0].code, attempt.tls) == (250, "")


async def test_octets_behind_starttls_are_an_attack(authority: tuple[trustme.CA, str]) -> None:
    servers = Servers()
    context = server_context(authority[0], "mx1.b.example")
    await servers.add("mx1.b.example", tls_script(context, "250 injected\r\n"))
    await servers.add("mx2.b.example", tls_script(server_context(authority[0], "mx2.b.example")))
    async with courier_for(servers, authority[1]) as courier:
        attempt = await send(courier)
        assert attempt.host.startswith("mx2.")
        assert attempt.tls
