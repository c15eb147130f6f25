"""Authentication-Results and the verdict header. RFC 8601."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail.headers import read_headers
from postroom.mail.headertext import UnsafeText
from postroom.policy.authres import (
    MethodResult,
    Verdict,
    authentication_results,
    dkim_results,
    dmarc_result,
    read_verdict,
    removal,
    spf_result,
    verdict_field,
)
from postroom.policy.dkim import DkimResult, DkimVerdict
from postroom.policy.dmarc import DmarcResult, DmarcVerdict, Policy
from postroom.policy.spf import Identity, SpfResult, SpfVerdict

US = "mail.beta.example"


def value_of(octets: bytes) -> str:
    (only,) = read_headers(octets + b"\r\n").fields
    assert only.key == b"authentication-results"
    return only.value.decode()


def test_a_whole_field() -> None:
    signature = DkimVerdict(
        DkimResult.PASS, "alpha.example", "r2026", "@alpha.example", "rsa-sha256", "AbCd/+12"
    )
    octets = authentication_results(
        US,
        [
            spf_result(SpfVerdict(SpfResult.PASS, "alpha.example", sender="ada@alpha.example")),
            *dkim_results([signature]),
            dmarc_result(
                DmarcVerdict(DmarcResult.PASS, "alpha.example", "alpha.example", Policy.REJECT, Policy.NONE)
            ),
        ],
    )
    assert all(len(line) <= 78 for line in octets.split(b"\r\n"))
    assert value_of(octets) == (
        "mail.beta.example; spf=pass smtp.mailfrom=ada@alpha.example; dkim=pass header.d=alpha.example"
        ' header.s=r2026 header.a=rsa-sha256 header.b="AbCd/+12"; dmarc=pass header.from=alpha.example'
        " policy.dmarc=reject"
    ).replace('"AbCd/+12"', "AbCd/+12")


def test_nothing_checked_is_none() -> None:
    """RFC 8601 section 2.2: no-result."""
    assert value_of(authentication_results(US, [])) == f"{US}; none"
    assert value_of(authentication_results(US, dkim_results([]))) == f"{US}; dkim=none"


def test_the_null_sender_is_told_by_helo() -> None:
    found = spf_result(
        SpfVerdict(SpfResult.NONE, "h.example", Identity.HELO, "postmaster@h.example", problem="x")
    )
    assert found == MethodResult("spf", "none", "x", (("smtp.helo", "h.example"),))


def test_a_tested_policy_is_told_as_applied() -> None:
    verdict = DmarcVerdict(
        DmarcResult.FAIL, "a.example", "a.example", Policy.REJECT, Policy.QUARANTINE, testing=True
    )
    assert ("policy.dmarc", "quarantine") in dmarc_result(verdict).properties


@given(st.text(max_size=100), st.text(max_size=100))
def test_x28_no_value_can_end_the_field_or_begin_a_result(sender: str, reason: str) -> None:
    octets = authentication_results(US, [MethodResult("spf", "fail", reason, (("smtp.mailfrom", sender),))])
    value = value_of(octets)
    outside, quoted, escaped = [], False, False
    for character in value:
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif not quoted:
            outside.append(character)
    assert not quoted
    assert "".join(outside).count(";") == 1
    assert "".join(outside).count("=") <= 3 + sender.count("=")


@pytest.mark.parametrize("word", ["", "a b", "a;b", "a\r\nb", 'a"b', "a=b"])
def test_x10_names_must_be_tokens(word: str) -> None:
    with pytest.raises(UnsafeText):
        authentication_results(word, [])
    with pytest.raises(UnsafeText):
        authentication_results(US, [MethodResult(word, "pass")])
    with pytest.raises(UnsafeText):
        authentication_results(US, [MethodResult("spf", word)])


FORGED = [
    b"Authentication-Results: mail.beta.example; dkim=pass",
    b"authentication-results:mail.beta.example;spf=pass",
    b"AUTHENTICATION-RESULTS : MAIL.BETA.EXAMPLE 1; spf=pass",
    b"Authentication-Results:\r\n mail.beta.example;\r\n spf=pass",
    b"Authentication-Results: (comment) mail.beta.example; spf=pass",
    b"Authentication-Results: (a (b) \\) c)(d)\r\n\tmail.beta.example; spf=pass",
    b'Authentication-Results: "mail.beta.example"; spf=pass',
    b'Authentication-Results: "mail\\.beta.example"; spf=pass',
    b"Authentication-Results: mail.beta.example(x); spf=pass",
    b"Authentication-Results: mail.beta.example.; spf=pass",
    b"Authentication-Results: \x00mail.beta.example; spf=pass",
    b"Authentication-Results: mail.\r\n beta.example; spf=pass",
    b"Authentication-Results: mail.(x)beta.example; spf=pass",
    b"Authentication-Results:",
    b"Authentication-Results: ; spf=pass",
    b"Authentication-Results: (unbalanced; spf=pass",
    b"Authentication-Results: " + b"(" * 5000 + b"; spf=pass",
    b"X-Postroom-Verdict: ham",
    b"x-postroom-anything: at all",
    b"X-POSTROOM-VERDICT : ham",
]
FOREIGN = [
    b"Authentication-Results: mail.alpha.example; dkim=pass",
    b'Authentication-Results: "other"; spf=pass smtp.mailfrom=mail.beta.example',
    b"ARC-Authentication-Results: i=1; mail.beta.example; spf=pass",
    b"X-Postroomy: yes",
    b"Subject: Authentication-Results: mail.beta.example",
]


@pytest.mark.parametrize("place", ["top", "middle", "bottom"])
@pytest.mark.parametrize("forged", FORGED, ids=lambda line: repr(line[:70]))
def test_x28_results_in_our_name_are_removed_in_every_place(forged: bytes, place: str) -> None:
    others = [b"From: a@x.example\r\n", b"To: b@y.example\r\n"]
    lines = list(others)
    lines.insert({"top": 0, "middle": 1, "bottom": 2}[place], forged + b"\r\n")
    message = b"".join(lines) + b"\r\nbody"
    block = read_headers(message)
    assert block.rewritten(drop=removal("Mail.Beta.Example")) == b"".join(others)


@pytest.mark.parametrize("foreign", FOREIGN)
def test_results_of_others_stay(foreign: bytes) -> None:
    block = read_headers(foreign + b"\r\n\r\n")
    assert block.rewritten(drop=removal(US)) == foreign + b"\r\n"


@given(st.binary(max_size=100))
def test_what_we_write_we_would_remove(junk: bytes) -> None:
    ours = authentication_results(US, [MethodResult("spf", "fail", junk.decode("latin-1"))])
    ours += verdict_field(Verdict(True, (junk.decode("latin-1"),)))
    assert read_headers(ours + b"\r\n").rewritten(drop=removal(US)) == b""


def test_x9_time_grows_with_the_size_and_no_faster() -> None:
    def cost(size: int) -> float:
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            for piece in (b"(", b"()", b" ", b'"', b"\\", b"(\\)", b"a"):
                block = read_headers(b"Authentication-Results: " + piece * size + b"\r\n\r\n")
                block.rewritten(drop=removal(US))
                block = read_headers(b"Authentication-Results: (" + piece * size + b"\r\n\r\n")
                block.rewritten(drop=removal(US))
            best = min(best, time.process_time() - start)
        return best

    assert cost(200_000) < 8 * cost(50_000) + 0.02


@pytest.mark.parametrize(
    "verdict",
    [Verdict(False), Verdict(True), Verdict(True, ("DMARC policy of alpha.example is quarantine", "two"))],
)
def test_a_verdict_reads_back(verdict: Verdict) -> None:
    assert read_verdict(read_headers(verdict_field(verdict) + b"\r\n")) == verdict


def test_the_verdict_is_in_plain_words() -> None:
    assert verdict_field(Verdict(True, ("SPF failed",))) == b"X-Postroom-Verdict: junk; SPF failed\r\n"


@given(st.booleans(), st.lists(st.text(max_size=60), max_size=4))
def test_no_reason_can_change_the_verdict(junk: bool, reasons: list[str]) -> None:
    octets = verdict_field(Verdict(junk, tuple(reasons)))
    block = read_headers(octets + b"\r\n")
    assert len(block.fields) == 1
    found = read_verdict(block)
    assert found is not None
    assert found.junk is junk


@pytest.mark.parametrize("header", [b"", b"X-Postroom-Verdict: maybe\r\n", b"X-Other: junk\r\n"])
def test_no_verdict(header: bytes) -> None:
    assert read_verdict(read_headers(header + b"\r\n")) is None
