"""Judging a message. RFC 9989 sections 4.4, 4.10.1 and 5.3."""

import pytest
from postroom.mail.headermailboxes import author
from postroom.mail.headers import read_headers
from postroom.policy.dkim import DkimResult, DkimVerdict
from postroom.policy.dmarc import DmarcResult, DmarcVerdict, Policy, evaluate
from postroom.policy.lookups import LookupStatus, Mx, answer_with
from postroom.policy.spf import SpfResult, SpfVerdict

REJECT = b"v=DMARC1; p=reject"


def spf(domain: str, result: SpfResult = SpfResult.PASS) -> SpfVerdict:
    return SpfVerdict(result, domain)


def dkim(domain: str, result: DkimResult = DkimResult.PASS) -> DkimVerdict:
    return DkimVerdict(result, domain, "s")


def judged(zone, rows, of="ada@alpha.example", spf=None, dkim=(), header=None) -> DmarcVerdict:
    full = {}
    for name, records in rows.items():
        key = (f"_dmarc.{name}", "TXT") if isinstance(name, str) else name
        full[key] = [records] if isinstance(records, bytes) else records
    block = read_headers(header if header is not None else f"From: {of}\r\n\r\n".encode())
    return answer_with(evaluate(author(block), spf, dkim), zone(full))


CASES = [
    # what passed, record, result, aligned by
    (spf("alpha.example"), (), REJECT, "pass", ("spf",)),
    (None, (dkim("alpha.example"),), REJECT, "pass", ("dkim",)),
    (spf("alpha.example"), (dkim("alpha.example"),), REJECT, "pass", ("spf", "dkim")),
    (spf("news.alpha.example"), (), REJECT, "pass", ("spf",)),
    (None, (dkim("news.alpha.example"),), REJECT, "pass", ("dkim",)),
    (spf("news.alpha.example"), (), REJECT + b"; aspf=s", "fail", ()),
    (None, (dkim("news.alpha.example"),), REJECT + b"; adkim=s", "fail", ()),
    (spf("news.alpha.example"), (dkim("alpha.example"),), REJECT + b"; aspf=s", "pass", ("dkim",)),
    (spf("evil.example"), (dkim("evil.example"),), REJECT, "fail", ()),
    (spf("notalpha.example"), (dkim("example"),), REJECT, "fail", ()),
    (spf("alpha.example", SpfResult.SOFTFAIL), (), REJECT, "fail", ()),
    (spf("alpha.example", SpfResult.NEUTRAL), (dkim("alpha.example", DkimResult.FAIL),), REJECT, "fail", ()),
    (None, (dkim("alpha.example", DkimResult.POLICY),), REJECT, "fail", ()),
    (None, (dkim("evil.example"), dkim("x.example"), dkim("alpha.example")), REJECT, "pass", ("dkim",)),
    (spf("alpha.example", SpfResult.TEMPERROR), (), REJECT, "temperror", ()),
    (spf("alpha.example", SpfResult.TEMPERROR), (dkim("alpha.example"),), REJECT, "pass", ("dkim",)),
    (None, (dkim("alpha.example", DkimResult.TEMPERROR),), REJECT, "temperror", ()),
    (None, (), REJECT, "fail", ()),
]


@pytest.mark.parametrize(("of_spf", "of_dkim", "record", "result", "aligned"), CASES)
def test_result(zone, of_spf, of_dkim, record, result, aligned) -> None:
    found = judged(zone, {"alpha.example": record}, spf=of_spf, dkim=of_dkim)
    assert (found.result, found.aligned_by) == (result, aligned)


@pytest.mark.parametrize(
    ("record", "policy", "disposition"),
    [
        (b"v=DMARC1; p=none", "none", "none"),
        (b"v=DMARC1; p=quarantine", "quarantine", "quarantine"),
        (b"v=DMARC1; p=reject", "reject", "reject"),
        (b"v=DMARC1; p=reject; t=y", "reject", "quarantine"),
        (b"v=DMARC1; p=quarantine; t=y", "quarantine", "none"),
        (b"v=DMARC1; p=reject; pct=0", "reject", "reject"),
    ],
)
def test_disposition_of_a_failure(zone, record, policy, disposition) -> None:
    found = judged(zone, {"alpha.example": record})
    assert (found.result, found.policy, found.disposition) == (DmarcResult.FAIL, policy, disposition)


def test_a_pass_is_never_disposed_of(zone) -> None:
    found = judged(zone, {"alpha.example": REJECT}, spf=spf("alpha.example"))
    assert (found.policy, found.disposition) == (Policy.REJECT, Policy.NONE)


@pytest.mark.parametrize(
    ("rows", "of", "policy_domain", "policy"),
    [
        (
            {"alpha.example": b"v=DMARC1; p=reject; sp=quarantine"},
            "a@sub.alpha.example",
            "alpha.example",
            "quarantine",
        ),
        (
            {"alpha.example": REJECT, "sub.alpha.example": b"v=DMARC1; p=none"},
            "a@sub.alpha.example",
            "sub.alpha.example",
            "none",
        ),
        ({"alpha.example": b"v=DMARC1; p=none; np=reject"}, "a@no.alpha.example", "alpha.example", "reject"),
        (
            {
                "alpha.example": b"v=DMARC1; p=none; np=reject",
                ("sub.alpha.example", "MX"): [Mx(1, "m.example")],
            },
            "a@sub.alpha.example",
            "alpha.example",
            "none",
        ),
        ({"example": b"v=DMARC1; p=none; np=reject; psd=y"}, "a@gone.example", "example", "reject"),
        # RFC 9989 section 4.10.1: author, organizational and public suffix domain, and no name in between
        (
            {"example": b"v=DMARC1; p=reject; psd=y", "b.alpha.example": b"v=DMARC1; p=none"},
            "a@c.b.alpha.example",
            "example",
            "reject",
        ),
        ({"alpha.example": REJECT}, "a@A.B.C.D.E.F.G.H.I.alpha.example", "alpha.example", "reject"),
    ],
)
def test_policy_discovery(zone, rows, of, policy_domain, policy) -> None:
    found = judged(zone, rows, of)
    assert (found.policy_domain, found.policy) == (policy_domain, policy)


@pytest.mark.parametrize(
    "rows",
    [
        {},
        {"alpha.example": [REJECT, REJECT]},
        {"alpha.example": b"v=DMARC1; p=bad"},
        {"alpha.example": b"v=x"},
    ],
)
def test_no_policy_no_dmarc(zone, rows) -> None:
    found = judged(zone, rows, spf=spf("alpha.example"))
    assert (found.result, found.disposition) == (DmarcResult.NONE, Policy.NONE)


def test_psd_n_parts_a_department_from_its_company(zone) -> None:
    """RFC 9989 section 5.1.8."""
    rows = {"alpha.example": REJECT, "dept.alpha.example": b"v=DMARC1; p=reject; psd=n"}
    assert judged(zone, rows, "a@dept.alpha.example", spf=spf("alpha.example")).result is DmarcResult.FAIL
    assert judged(zone, rows, "a@alpha.example", spf=spf("dept.alpha.example")).result is DmarcResult.FAIL
    assert (
        judged(zone, rows, "a@x.dept.alpha.example", spf=spf("dept.alpha.example")).result is DmarcResult.PASS
    )


def test_a_dns_failure_for_the_policy_is_temporary(zone) -> None:
    found = judged(zone, {("_dmarc.alpha.example", "TXT"): LookupStatus.TEMPORARY}, spf=spf("alpha.example"))
    assert (found.result, found.disposition) == (DmarcResult.TEMPERROR, Policy.NONE)


def test_x27_a_sender_cannot_make_a_failure_temporary(zone) -> None:
    """Name servers that the sender chose do not count, however they fail."""
    rows = {
        "alpha.example": REJECT,
        ("_dmarc.evil.test", "TXT"): LookupStatus.TEMPORARY,
        ("_dmarc.evil.example", "TXT"): LookupStatus.TEMPORARY,
    }
    of_dkim = [dkim("evil.test"), dkim("evil.example"), dkim("evil.test", DkimResult.TEMPERROR)]
    found = judged(zone, rows, spf=spf("evil.test", SpfResult.TEMPERROR), dkim=of_dkim)
    assert (found.result, found.disposition) == (DmarcResult.FAIL, Policy.REJECT)


def test_x27_names_elsewhere_cost_no_questions(zone) -> None:
    asked = zone({("_dmarc.alpha.example", "TXT"): [REJECT]})
    block = read_headers(b"From: a@alpha.example\r\n\r\n")
    signatures = [dkim(f"evil{n}.test") for n in range(8)]
    answer_with(evaluate(author(block), spf("evil.test"), signatures), asked)
    assert {name for name, _ in asked.asked} == {"_dmarc.alpha.example", "_dmarc.example"}


@pytest.mark.parametrize(
    "header",
    [
        b"From: a@alpha.example\r\nFrom: b@evil.example\r\n\r\n",
        b"From: a@alpha.example\r\nFrom: a@alpha.example\r\n\r\n",
        b"From: MAILER-DAEMON <>\r\nFrom: a@alpha.example\r\n\r\n",
        b"From: a@alpha.example, b@evil.example\r\n\r\n",
        b"From: a@alpha.example b@evil.example\r\n\r\n",
        b"From: " + b"a@x.example," * 1001 + b"\r\n\r\n",
        b"From: " + b"x" * 65_536 + b"<a@alpha.example>\r\n\r\n",
    ],
)
def test_x27_several_authors_are_rejected(zone, header) -> None:
    found = judged(zone, {"alpha.example": b"v=DMARC1; p=none"}, header=header, spf=spf("alpha.example"))
    assert (found.result, found.disposition) == (DmarcResult.PERMERROR, Policy.REJECT)


@pytest.mark.parametrize(
    "header",
    [
        b"To: b@x.example\r\n\r\n",
        b"From: Nobody:;\r\n\r\n",
        b"From: MAILER-DAEMON <>\r\n\r\n",
        b"From: root (Cron Daemon)\r\n\r\n",
        b"From: a@[192.0.2.1]\r\n\r\n",
        b"From: a@" + b"x." * 200 + b"example\r\n\r\n",
        b"From: a@\xff\xfe.example\r\n\r\n",
        b"From: a@-x.example\r\n\r\n",
        b"From: a@x..example\r\n\r\n",
    ],
)
def test_without_an_author_domain_dmarc_has_nothing_to_say(zone, header) -> None:
    found = judged(zone, {"alpha.example": b"v=DMARC1; p=none"}, header=header, spf=spf("alpha.example"))
    assert (found.result, found.disposition) == (DmarcResult.PERMERROR, Policy.QUARANTINE)
    assert found.reason


@pytest.mark.parametrize(
    "of",
    ["a@alpha.example <a@alpha.example>", "a@evil.example <a@alpha.example>", "[x] <a@alpha.example>", "a@alpha.example;",
     "a..b@alpha.example", "a.@alpha.example", "a@alpha.example.", "<a@alpha.example.>;", "x. y: z; <a@alpha.example>"],
)  # fmt: skip
def test_an_untidy_author_is_judged_like_others(zone, of) -> None:
    rows = {"alpha.example": REJECT, "evil.example": b"v=DMARC1; p=none"}
    good = judged(zone, rows, of, spf=spf("alpha.example"))
    assert (good.result, good.author_domain) == (DmarcResult.PASS, "alpha.example")
    forged = judged(zone, rows, of, spf=spf("evil.example"))
    assert (forged.result, forged.disposition) == (DmarcResult.FAIL, Policy.REJECT)


def test_two_authors_of_one_domain_have_one_author_domain(zone) -> None:
    """RFC 9989 section 5.3.1 counts domains."""
    found = judged(
        zone, {"alpha.example": REJECT}, "a@alpha.example, b@alpha.example", spf=spf("alpha.example")
    )
    assert found.result is DmarcResult.PASS


def test_an_author_domain_in_unicode_is_asked_for_in_ascii(zone) -> None:
    found = judged(
        zone, {"xn--bcher-kva.example": REJECT}, "a@b\u00fccher.example", spf=spf("xn--bcher-kva.example")
    )
    assert (found.result, found.author_domain) == (DmarcResult.PASS, "xn--bcher-kva.example")
