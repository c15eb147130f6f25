"""Two companies exchange mail: what their people, their postmasters and a stranger see."""

import smtplib
import socket
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ..clients import (
    SECONDS,
    field,
    message,
    pop3,
    read,
    received,
    shortest_wait_for_news,
    smtp,
    submit,
    wait_for,
)
from .site import HostsSite

Reach = Callable[[str], Any]
ADA, CHARLES, MARY = "ada@alpha.example", "charles@alpha.example", "mary@alpha.example"
GRACE, ALAN = "grace@beta.example", "alan@beta.example"


@pytest.fixture(scope="session", params=["host_ipv4", "host_ipv6"])
def either_site(request: pytest.FixtureRequest) -> HostsSite:
    """The hosts by IPv4, then by IPv6."""
    return HostsSite(request.param)


@pytest.fixture(scope="session")
def site() -> HostsSite:
    """The hosts by IPv4."""
    return HostsSite()


@pytest.fixture
def subject() -> str:
    """Words that no other message has."""
    return f"message {uuid.uuid4()}"


@pytest.mark.parametrize("service", ["submission", "submissions"])
@pytest.mark.parametrize(("sender", "reader"), [(ADA, GRACE), (GRACE, ADA)])
def test_mail_crosses_and_is_vouched_for(
    either_site: HostsSite, subject: str, sender: str, reader: str, service: str
) -> None:
    submit(either_site, sender, reader, subject=subject, service=service)
    octets = received(either_site, reader, subject)
    (results,) = field(octets, "Authentication-Results")
    assert results.startswith(f"mail.{reader.partition('@')[2]};")
    away = sender.partition("@")[2]
    assert f"spf=pass smtp.mailfrom={sender}" in results
    assert "header.a=rsa-sha256" in results
    assert "header.a=ed25519-sha256" in results
    assert results.count(f"dkim=pass header.d={away}") == 2
    assert f"dmarc=pass header.from={away}" in results
    assert "TLSv1.3" in field(octets, "Received")[0]
    assert "with ESMTPS id" in field(octets, "Received")[0]


def test_the_relays_verify_one_another(site: HostsSite, reach: Reach, subject: str) -> None:
    for sender, reader in ((ADA, GRACE), (GRACE, ADA)):
        submit(site, sender, reader, subject=subject)
        received(site, reader, subject)
        journal = reach(f"mail.{sender.partition('@')[2]}").check_output(
            "journalctl -t postroom-relay --no-pager -n 5000"
        )
        established = [line for line in journal.splitlines() if "TLS connection established" in line]
        assert established[-1].endswith(", verified")


def test_no_client_address_leaves_the_company(site: HostsSite, subject: str) -> None:
    submit(site, ADA, GRACE, subject=subject)
    submitted = field(received(site, GRACE, subject), "Received")[-1]
    assert "ESMTPSA" in submitted
    assert "10.213" not in submitted


def test_mail_is_read_by_pop3(site: HostsSite, subject: str) -> None:
    submit(site, GRACE, CHARLES, subject=subject)
    received(site, CHARLES, subject)
    client = pop3(site, CHARLES)
    count, _ = client.stat()
    texts = [b"\n".join(client.top(number, 0)[1]) for number in range(1, count + 1)]
    client.quit()
    assert any(subject.encode() in text for text in texts)


def test_an_alias_reaches_several(site: HostsSite, subject: str) -> None:
    submit(site, GRACE, "team@alpha.example", subject=subject)
    for reader in (ADA, CHARLES, MARY):
        assert field(received(site, reader, subject), "Delivered-To") == [reader]


def test_a_subaddress_reaches_its_person(site: HostsSite, subject: str) -> None:
    submit(site, GRACE, "ada+orders@alpha.example", subject=subject)
    assert field(received(site, ADA, subject), "Delivered-To") == ["ada+orders@alpha.example"]


def test_a_catch_all_takes_what_nobody_has(site: HostsSite, subject: str) -> None:
    submit(site, GRACE, f"{uuid.uuid4()}@alpha-labs.example", subject=subject)
    assert received(site, CHARLES, subject)


def test_a_domain_alias_is_the_same_people(site: HostsSite, subject: str) -> None:
    submit(site, GRACE, "ada@alpha-mail.example", subject=subject)
    assert received(site, ADA, subject)


def test_what_is_forwarded_outside_has_an_srs_sender_and_passes(site: HostsSite, subject: str) -> None:
    submit(site, ALAN, "friends@alpha.example", subject=subject)
    octets = received(site, GRACE, subject)
    (path,) = field(octets, "Return-Path")
    assert path.startswith("<SRS0=")
    assert path.endswith("@alpha.example>") or path.endswith("@mail.alpha.example>")
    results = field(octets, "Authentication-Results")[0]  # below it stands what alpha has found
    assert results.startswith("mail.beta.example;")
    assert "spf=pass" in results
    assert "dmarc=pass header.from=beta.example" in results


def test_a_bounce_comes_back(site: HostsSite, subject: str) -> None:
    unknown = f"{uuid.uuid4()}@beta.example"
    submit(site, CHARLES, unknown, subject=subject)
    octets = wait_for(
        lambda: [octets for octets in read(site, CHARLES, "was not delivered") if unknown.encode() in octets]
    )[0]
    assert field(octets, "Return-Path") == ["<>"]
    assert b"Status: 5.1.1" in octets


def test_postmaster_is_somebody(site: HostsSite, subject: str) -> None:
    for recipient in ("postmaster@alpha.example", "abuse@alpha.example", "root@mail.alpha.example"):
        submit(site, GRACE, recipient, subject=f"{subject} {recipient}")
        assert received(site, ADA, f"{subject} {recipient}")


def test_forged_mail_is_refused(site: HostsSite, subject: str) -> None:
    with smtp(site, "beta.example") as client, pytest.raises(smtplib.SMTPDataError) as refused:
        client.sendmail("x@forger.example", [GRACE], message(ADA, GRACE, subject=subject))
    assert refused.value.smtp_code == 550
    assert b"alpha.example" in refused.value.smtp_error


RELAYED = [
    "<someone@forger.example>",
    "<someone%forger.example@beta.example>",
    '<"someone@forger.example"@beta.example>',
    "<@beta.example:someone@forger.example>",
    "<forger.example!someone>",
    "<forger.example!someone@beta.example>",
    "<someone@[192.0.2.1]>",
    "<someone@[IPv6:2001:db8::1]>",
    "<someone@forger.example@beta.example>",
    "<someone@beta.example@forger.example>",
    "<SOMEONE@FORGER.EXAMPLE>",
    '<"someone%forger.example"@beta.example>',
    "<someone@forger.example.>",
    "someone@forger.example",
]


@pytest.mark.parametrize("form", RELAYED)
def test_relaying_is_refused_in_every_form(site: HostsSite, form: str) -> None:
    for sender in ("<x@forger.example>", "<>", f"<{GRACE}>"):
        with smtp(site, "beta.example") as client:
            client.docmd("MAIL", f"FROM:{sender}")
            code, text = client.docmd("RCPT", f"TO:{form}")
            assert 500 <= code < 560, text


def test_unknown_people_are_refused_at_the_door(site: HostsSite) -> None:
    with smtp(site, "alpha.example") as client:
        client.mail("x@forger.example")
        assert client.rcpt(f"{uuid.uuid4()}@alpha.example")[0] == 550


def test_wrong_passwords_are_refused_and_slowed_and_others_log_in(site: HostsSite) -> None:
    seconds = 0.0
    for number in range(3):
        started = time.monotonic()
        with smtp(site, "alpha.example", "submissions", seconds=60) as client:
            with pytest.raises(smtplib.SMTPException):
                client.login(MARY, f"wrong {uuid.uuid4()} {number}")
            seconds = time.monotonic() - started
    assert 2.0 < seconds < 45.0
    started = time.monotonic()
    with smtp(site, "alpha.example", "submissions") as client:
        client.login(ADA, site.password(ADA))
    assert time.monotonic() - started < 15.0  # the longest that a refusal waits


@pytest.mark.parametrize("service", ["submission", "imap", "pop3"])
def test_no_password_goes_over_plain_text(site: HostsSite, service: str) -> None:
    asked, last, tried, refusal = {
        "submission": (b"EHLO x.example\r\n", b"250 ", b"AUTH PLAIN AGEAYg==\r\n", b"5"),
        "imap": (b"a CAPABILITY\r\n", b"a ", b"b LOGIN a b\r\n", b"b NO"),
        "pop3": (b"CAPA\r\n", b".", b"USER a\r\n", b"-ERR"),
    }[service]
    with (
        socket.create_connection(site.port("alpha.example", service), SECONDS) as client,
        client.makefile("rb") as heard,
    ):
        heard.readline()
        client.sendall(asked)
        offered = [heard.readline()]
        while not offered[-1].startswith(last):
            offered.append(heard.readline())
        assert not any(b"AUTH PLAIN" in line or b"AUTH=PLAIN" in line for line in offered)
        client.sendall(tried)
        assert heard.readline().startswith(refusal)


def test_foreign_senders_are_refused_to_logins(site: HostsSite, subject: str) -> None:
    with smtp(site, "alpha.example", "submissions") as client:
        client.login(ADA, site.password(ADA))
        with pytest.raises(smtplib.SMTPException):
            client.sendmail(MARY, [GRACE], message(MARY, GRACE, subject=subject))
        client.rset()
        with pytest.raises(smtplib.SMTPDataError):
            client.sendmail(ADA, [GRACE], message(MARY, GRACE, subject=subject))


def test_new_mail_reaches_an_idling_client_within_a_second(site: HostsSite, subject: str) -> None:
    sending = partial(submit, site, ADA, CHARLES, subject=subject)
    assert shortest_wait_for_news(site, CHARLES, sending, 1.0) < 1.0
