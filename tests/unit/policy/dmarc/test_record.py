"""Policy records. RFC 9989 sections 4.7, 4.8 and 4.10.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.policy.dmarc import Policy, parse_record


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"v=DMARC2; p=none",
        b"v=dmarc1; p=none",
        b"V=dmarc1; p=none",
        b"p=none; v=DMARC1",
        b"v=DMARC11; p=none",
        b"vv=DMARC1",
        b"v=spf1",
    ],
)
def test_no_dmarc_record(text: bytes) -> None:
    assert parse_record(text) is None


@pytest.mark.parametrize("version", [b"V=DMARC1", b" V\t=\tDMARC1 ", b"v =DMARC1"])
def test_the_case_of_the_version_tag_does_not_matter(version: bytes) -> None:
    record = parse_record(version + b"; P=Reject")
    assert record is not None
    assert record.p is Policy.REJECT


def test_all_tags() -> None:
    record = parse_record(
        b"v = DMARC1 ;p=reject;sp=quarantine;np=none;adkim=s;aspf=S;psd=n;t=y;"
        b"rua=mailto:a@x.example!10m , mailto:b@x.example;ruf=mailto:c@x.example;fo=1;pct=50;unknown=x;"
    )
    assert record is not None
    assert (record.p, record.sp, record.np) == (Policy.REJECT, Policy.QUARANTINE, Policy.NONE)
    assert (record.strict_dkim, record.strict_spf, record.public_suffix, record.testing) == (
        True,
        True,
        "n",
        True,
    )
    assert record.reports_to == ("mailto:a@x.example", "mailto:b@x.example")
    assert record.failures_to == ("mailto:c@x.example",)
    assert record.usable


def test_defaults() -> None:
    record = parse_record(b"v=DMARC1;p=none")
    assert record is not None
    assert (record.strict_dkim, record.strict_spf, record.public_suffix, record.testing) == (
        False,
        False,
        "u",
        False,
    )


@pytest.mark.parametrize(
    "tags", [b"adkim=x", b"aspf=", b"psd=maybe", b"t=1", b";;", b"=", b"\xff", b"rua=nothing"]
)
def test_what_is_wrong_gives_way_to_the_default(tags: bytes) -> None:
    """Section 4.8: syntax errors in the remainder are discarded."""
    assert parse_record(b"v=DMARC1; p=reject; " + tags) == parse_record(b"v=DMARC1; p=reject")


@pytest.mark.parametrize("tags", [b"", b"p=", b"p=deny", b"p=reject; sp=deny", b"p=reject; np=x"])
def test_a_bad_policy_asks_for_reports_or_for_nothing(tags: bytes) -> None:
    """Section 4.10.1."""
    record = parse_record(b"v=DMARC1; " + tags)
    assert record is not None
    assert (record.usable, record.p) == (False, Policy.NONE)
    reporting = parse_record(b"v=DMARC1; rua=mailto:a@x.example; " + tags)
    assert reporting is not None
    assert (reporting.usable, reporting.p, reporting.sp) == (True, Policy.NONE, None)


@pytest.mark.parametrize(
    ("text", "own", "below", "missing"),
    [
        (b"v=DMARC1; p=reject", "reject", "reject", "reject"),
        (b"v=DMARC1; p=reject; sp=none", "reject", "none", "none"),
        (b"v=DMARC1; p=none; np=reject", "none", "none", "reject"),
        (b"v=DMARC1; p=none; sp=quarantine; np=reject", "none", "quarantine", "reject"),
    ],
)
def test_policy_for_a_name(text: bytes, own: str, below: str, missing: str) -> None:
    record = parse_record(text)
    assert record is not None
    assert record.policy(subdomain=False, exists=True) == own
    assert record.policy(subdomain=True, exists=True) == below
    assert record.policy(subdomain=True, exists=False) == missing


@given(st.binary(max_size=200))
def test_any_octets_have_an_answer(octets: bytes) -> None:
    parse_record(octets)
    assert parse_record(b"v=DMARC1;" + octets) is not None
