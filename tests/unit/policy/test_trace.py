"""Received fields: RFC 5321 section 4.4, RFC 3848."""

import pytest
from postroom.mail.headers import read_headers
from postroom.policy.trace import Arrival, date, hops, protocol, received

ARRIVAL = Arrival(host="mx.example", queue_id="q1", client="192.0.2.1", helo="client.example")


def test_date() -> None:
    assert date(0) == "Thu, 1 Jan 1970 00:00:00 +0000"
    assert date(1_795_406_706) == "Mon, 23 Nov 2026 04:05:06 +0000"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"extended": False}, "SMTP"),
        ({}, "ESMTP"),
        ({"tls_version": "TLSv1.3"}, "ESMTPS"),
        ({"authenticated": True}, "ESMTPA"),
        ({"tls_version": "TLSv1.3", "authenticated": True}, "ESMTPSA"),
        ({"local": True}, "local"),
    ],
)
def test_protocol(changes: dict[str, object], expected: str) -> None:
    assert protocol(ARRIVAL._replace(**changes)) == expected


def test_whole_field() -> None:
    arrival = ARRIVAL._replace(
        tls_version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", only_recipient="a@b.example"
    )
    assert received(arrival, 0) == (
        b"Received: from client.example ([192.0.2.1])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n"
        b"\tby mx.example (Postroom) with ESMTPS id q1\r\n\tfor <a@b.example>;\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n"
    )


def test_literals_and_private_clients() -> None:
    assert b"([IPv6:2001:db8::1])" in received(ARRIVAL._replace(client="2001:db8::1"), 0)
    assert received(ARRIVAL._replace(client=""), 0).startswith(b"Received: by mx.example ")


@pytest.mark.parametrize(
    ("helo", "written"),
    [
        ("a (b) by x; y", "a??b??by?x??y"), ("\x9b31m\u00fc\r\nX: y", "?31m???X:?y"), ('"<@,\\>', "??????"),
        ("Bob's", "Bob's"), ("[fe80::1%en0]", "[fe80::1%en0]"), ("x" * 300, "x" * 200), ("", "unknown"),
    ],
)  # fmt: skip
def test_x10_whatever_a_client_calls_itself_stays_one_word(helo: str, written: str) -> None:
    assert received(ARRIVAL._replace(helo=helo), 0).startswith(
        f"Received: from {written} ([192.0.2.1])\r\n".encode()
    )


def test_own_field_counts_as_a_hop() -> None:
    block = read_headers(received(ARRIVAL, 0) * 3 + b"X-Received: x\r\nSubject: Received: x\r\n\r\n")
    assert hops(block) == 3
