"""Our signatures, judged by dkimpy."""

import re

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postroom.policy.dkim import DkimKeyError, DkimResult, load_key, sign_message, verify
from postroom.policy.lookups import answer_with

NOW = 1_790_000_000
HEADER = (
    b"Received: from a\r\n\tby b;  now\r\nFrom: Ada <ada@alpha.example>\r\nTo: Bob  <bob@beta.example>,\r\n"
    b"   Eve <eve@beta.example>\r\nSubject:\r\n  folded \t subject \r\nDate: Mon, 23 Nov 2026 04:00:00 +0000\r\n"
    b"Message-ID: <1@alpha.example>\r\nContent-Type: text/plain\r\n\r\n"
)
MESSAGE = HEADER + b"Hello  world \r\n\r\n.dots\t\r\n\r\n\r\n"

lines = st.lists(st.text(" \tabc.\u00e9", max_size=30), max_size=12)


def dkimpy_says(message: bytes, records, index: int) -> bool:
    def fetch(name, timeout=5):
        return records[name.decode().rstrip("."), "TXT"][0]

    return dkimpy.DKIM(message).verify(idx=index, dnsfunc=fetch)


def tag(fields: bytes, name: str, index: int = 0) -> str:
    text = fields.decode().split("DKIM-Signature:")[index + 1]
    found = re.search(rf"(?:^|;)\s*{name}=([^;]*)", text)
    return re.sub(r"\s", "", found[1]) if found else ""


@pytest.mark.parametrize("index", [0, 1], ids=["rsa", "ed25519"])
def test_dkimpy_accepts_what_we_sign(keys, records, index) -> None:
    assert dkimpy_says(sign_message(MESSAGE, keys, now=NOW) + MESSAGE, records, index)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines, st.text("abc \t", max_size=40))
def test_dkimpy_accepts_any_body_and_subject(ed_key, records, body, subject) -> None:
    message = HEADER.replace(b"folded", subject.encode())
    message += "".join(f"{line}\r\n" for line in body).encode()
    assert dkimpy_says(sign_message(message, [ed_key], now=NOW) + message, records, 0)


def test_fields_are_ascii_folded_and_whole(keys) -> None:
    fields = sign_message(MESSAGE, keys, now=NOW)
    assert fields.endswith(b"\r\n")
    assert all(len(line) <= 79 for line in fields.split(b"\r\n"))
    assert len(re.findall(rb"(?m)^DKIM-Signature: ", fields)) == 2
    assert b"\r\n\r\n" not in fields


def test_x29_what_a_reader_judges_by_is_oversigned(rsa_key) -> None:
    """Once more often than it occurs: nobody can add another."""
    names = tag(sign_message(MESSAGE, [rsa_key], now=NOW), "h").lower().split(":")
    block = MESSAGE.lower()
    for name in (
        "from",
        "to",
        "cc",
        "subject",
        "date",
        "message-id",
        "content-type",
        "reply-to",
        "mime-version",
    ):
        assert names.count(name) == block.count(f"\r\n{name}:".encode()) + 1, name


def test_x29_no_length_is_ever_signed(keys) -> None:
    fields = sign_message(MESSAGE, keys, now=NOW, lifetime=7 * 86_400)
    assert [tag(fields, "l", index) for index in (0, 1)] == ["", ""]
    assert tag(fields, "x") == str(NOW + 7 * 86_400)


def test_x29_an_added_field_breaks_the_signature(keys, records, zone) -> None:
    signed = sign_message(MESSAGE, keys, now=NOW) + MESSAGE
    for added in (
        b"From: eve@evil.example\r\n",
        b"Subject: other\r\n",
        b"Cc: x@y.example\r\n",
        b"Reply-To: e@v\r\n",
    ):
        for message in (added + signed, signed.replace(b"\r\n\r\n", b"\r\n" + added + b"\r\n", 1)):
            verdicts = answer_with(verify(message, now=NOW), zone(records))
            assert {verdict.result for verdict in verdicts} == {DkimResult.FAIL}, added


def test_traces_may_be_added(keys, records, zone) -> None:
    signed = b"Received: from x\r\nReturn-Path: <>\r\n" + sign_message(MESSAGE, keys, now=NOW) + MESSAGE
    verdicts = answer_with(verify(signed, now=NOW), zone(records))
    assert [verdict.result for verdict in verdicts] == ["pass", "pass"]


def test_keys_that_must_not_sign_are_refused(pem_of) -> None:
    """RFC 8301 section 3.2; only RSA and Ed25519 are defined."""
    small = pem_of(generate_private_key(65537, 1024))
    elliptic = pem_of(generate_ec_key(SECP256R1()))
    for text in (small, elliptic, b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        with pytest.raises(DkimKeyError):
            load_key("alpha.example", "s", text)


@pytest.mark.parametrize(
    ("domain", "selector"), [("a b", "s"), ("", "s"), ("a.example", "s;x"), ("a\r\n", "s")]
)
def test_x10_a_domain_cannot_carry_another_tag(pem_of, rsa_key, domain, selector) -> None:
    with pytest.raises(DkimKeyError):
        load_key(domain, selector, pem_of(rsa_key.key))


def test_a_key_does_not_show_itself(rsa_key) -> None:
    assert repr(rsa_key) == "SigningKey(r2026._domainkey.alpha.example, rsa-sha256)"
