"""X25: what every TLS listener agrees to, and what it refuses."""

import smtplib
import socket
import ssl
import struct
from contextlib import suppress

import pytest

from ..clients import context
from ..conftest import Sandbox
from ..raw import AGENT, GREETED, SERVICES, connect, line, say

DOMAIN = "alpha.example"
WEAK = [
    "AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "DES-CBC3-SHA",
    "CAMELLIA128-SHA", "AECDH-AES128-SHA", "NULL-SHA256", "PSK-AES128-GCM-SHA256",
]  # fmt: skip
GOOD = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"]
START = {"smtp": b"STARTTLS", "submission": b"STARTTLS", "imap": b"a STARTTLS", "pop3": b"STLS"}


def before_tls(site: Sandbox, service: str) -> socket.socket:
    """A connection at the point where the client's first TLS octet is due."""
    if service not in GREETED:
        return socket.create_connection(site.port(DOMAIN, service), 60)
    made = connect(site, DOMAIN, service)
    if service in ("smtp", "submission"):
        assert say(made, b"EHLO client.example").startswith(b"250")
    assert say(made, START[service]).split()[0 if service in ("smtp", "submission", "pop3") else 1] in (
        b"220", b"OK", b"+OK",
    )  # fmt: skip
    return made


def handshake(site: Sandbox, service: str, asked: ssl.SSLContext) -> ssl.SSLSocket:
    return asked.wrap_socket(before_tls(site, service), server_hostname=f"mail.{DOMAIN}")


def careless(**settings: object) -> ssl.SSLContext:
    """A client that would agree to nearly anything."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    for name, value in settings.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_of_today(sandbox: Sandbox, service: str, version: ssl.TLSVersion) -> None:
    asked = context(sandbox, DOMAIN)
    asked.minimum_version = asked.maximum_version = version
    with handshake(sandbox, service, asked) as secured:
        assert secured.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2"}.get(version, "TLSv1.3")
        assert secured.compression() is None


def client_hello(version: int) -> bytes:
    """A ClientHello for one old version alone (RFC 5246 section 7.4.1.2), with suites that old servers had."""
    suites = struct.pack(">6H", 0x002F, 0x0035, 0xC009, 0xC00A, 0xC013, 0xC014)
    groups = struct.pack(">HHHHH", 10, 6, 4, 23, 24) + struct.pack(">HHBB", 11, 2, 1, 0)
    body = struct.pack(">H", version) + bytes(range(32)) + b"\0" + struct.pack(">H", len(suites)) + suites
    body += b"\1\0" + struct.pack(">H", len(groups)) + groups
    shake = b"\1" + len(body).to_bytes(3, "big") + body
    return struct.pack(">BHH", 22, version, len(shake)) + shake


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0302])
def test_old_versions_are_refused(sandbox: Sandbox, service: str, version: int) -> None:
    """SSL 3.0, TLS 1.0 and 1.1, asked for octet by octet: an alert or the end, never a ServerHello."""
    with before_tls(sandbox, service) as connection:
        connection.sendall(client_hello(version))
        heard = b""
        with suppress(ConnectionError):
            while octets := connection.recv(4096):
                heard += octets
    assert heard[:1] in (b"", b"\x15")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("suite", WEAK)
def test_weak_suites_are_refused(sandbox: Sandbox, service: str, suite: str) -> None:
    asked = careless(maximum_version=ssl.TLSVersion.TLSv1_2)
    try:
        asked.set_ciphers(f"{suite}:@SECLEVEL=0")
    except ssl.SSLError:  # our own library has forgotten it: no server with it can agree to it
        return
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(sandbox, service, asked)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("suite", GOOD)
def test_good_suites_are_there(sandbox: Sandbox, service: str, suite: str) -> None:
    asked = context(sandbox, DOMAIN)
    asked.maximum_version = ssl.TLSVersion.TLSv1_2
    asked.set_ciphers(suite)
    with handshake(sandbox, service, asked) as secured:
        assert secured.cipher() == (suite, "TLSv1.2", secured.cipher()[2])  # type: ignore[index]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("first", SERVICES)
def test_sessions_of_one_agent_are_no_good_at_another(
    sandbox: Sandbox, first: str, version: ssl.TLSVersion
) -> None:
    asked = context(sandbox, DOMAIN)
    asked.minimum_version = asked.maximum_version = version
    with handshake(sandbox, first, asked) as secured:
        secured.settimeout(60)
        if first in GREETED:
            talk = {"imap": b"a NOOP", "pop3": b"CAPA"}.get(first, b"EHLO client.example")
            secured.sendall(talk + b"\r\n")
        line(secured)  # tickets of TLS 1.3 would have come before it
        session = secured.session
    for other in SERVICES:
        if session is None:
            break
        if AGENT[other] == AGENT[first]:  # one protocol, one process, one certificate
            continue
        again = asked.wrap_socket(
            before_tls(sandbox, other), server_hostname=f"mail.{DOMAIN}", session=session
        )
        with again:
            assert not again.session_reused, f"{first} to {other}"


@pytest.mark.parametrize("service", SERVICES)
def test_clients_that_name_another_host_get_ours_or_nothing(sandbox: Sandbox, service: str) -> None:
    for name in ("mail.beta.example", "x" * 60 + ".example", "localhost", "MAIL.ALPHA.EXAMPLE"):
        asked = careless()
        asked.verify_mode = ssl.CERT_REQUIRED
        asked.load_verify_locations(sandbox.ca)
        made = asked.wrap_socket(before_tls(sandbox, service), server_hostname=name)
        with made:
            names = {value for _, value in made.getpeercert()["subjectAltName"]}  # type: ignore[index]
            assert f"mail.{DOMAIN}" in names


def test_the_password_is_never_asked_for_in_clear(sandbox: Sandbox) -> None:
    with smtplib.SMTP(*sandbox.port(DOMAIN, "submission"), timeout=60) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        assert client.docmd("AUTH", "PLAIN AGEAYg==")[0] in (530, 538)
    assert b"[PRIVACYREQUIRED]" in say(connect(sandbox, DOMAIN, "imap"), b"a LOGIN a b")
    assert say(connect(sandbox, DOMAIN, "pop3"), b"USER a").startswith(b"-ERR")
