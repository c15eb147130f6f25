"""The tree walk, by the examples of RFC 9989 section 4.10."""

import pytest
from postroom.policy.dmarc import organizational_domain
from postroom.policy.lookups import LookupStatus, answer_with

PLAIN, PSD, ORG = [b"v=DMARC1; p=none"], [b"v=DMARC1; p=none; psd=y"], [b"v=DMARC1; p=none; psd=n"]


def organization(zone, domain, **records):
    rows = {("_dmarc." + name.replace("_", "."), "TXT"): found for name, found in records.items()}
    asked = zone(rows)
    return answer_with(organizational_domain(domain), asked), [name for name, _ in asked.asked]


def test_eight_questions_at_most(zone) -> None:
    """The list of section 4.10."""
    _, asked = organization(zone, "a.b.c.d.e.f.g.h.i.j.mail.example.com")
    assert asked == [
        "_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "_dmarc.g.h.i.j.mail.example.com",
        "_dmarc.h.i.j.mail.example.com",
        "_dmarc.i.j.mail.example.com",
        "_dmarc.j.mail.example.com",
        "_dmarc.mail.example.com",
        "_dmarc.example.com",
        "_dmarc.com",
    ]


@pytest.mark.parametrize("labels", range(1, 12))
def test_every_length_ends_at_the_top(zone, labels) -> None:
    domain = ".".join(f"l{n}" for n in range(labels))
    _, asked = organization(zone, domain)
    assert len(asked) == min(labels, 8)
    assert asked[0] == f"_dmarc.{domain}"
    assert asked[-1] == "_dmarc." + domain.rpartition(".")[2]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ({"mail_example_com": PLAIN, "example_com": PLAIN}, "example.com"),
        ({"mail_example_com": ORG, "example_com": PLAIN}, "mail.example.com"),
        ({"com": PSD}, "example.com"),
        ({"com": PSD, "mail_example_com": PLAIN}, "example.com"),
        ({"a_mail_example_com": PSD, "example_com": PLAIN}, "a.mail.example.com"),
        ({"mail_example_com": PSD}, "a.mail.example.com"),
        ({"com": PLAIN, "example_com": PLAIN}, "com"),
        ({}, "a.mail.example.com"),
        ({"example_com": PLAIN + PLAIN}, "a.mail.example.com"),
        ({"example_com": [b"other", *PLAIN]}, "example.com"),
        ({"mail_example_com": ORG, "example_com": LookupStatus.TEMPORARY}, "mail.example.com"),
    ],
)
def test_selection(zone, records, expected) -> None:
    """Section 4.10.2."""
    assert organization(zone, "a.mail.example.com", **records)[0] == expected
