"""Macro strings, with the examples of RFC 7208 section 7.4."""

import pytest
from postroom.policy.spf.macros import (
    SpfSyntaxError,
    expand,
    expand_domain,
    parse_domain_spec,
    parse_explanation,
    parse_macro_string,
    uses,
)

SENDER = {
    "s": "strong-bad@email.example.com", "l": "strong-bad", "o": "email.example.com", "d": "email.example.com",
    "i": "192.0.2.3", "v": "in-addr", "h": "mx.example.org", "c": "192.0.2.3", "r": "mail.example.net", "t": "7",
}  # fmt: skip
V6 = {**SENDER, "v": "ip6", "i": "2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.b.0.1"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("%%%_%-", "% %20"),
        ("%{S}", "strong-bad%40email.example.com"),
    ],
)
def test_expansions(text: str, result: str) -> None:
    assert expand(parse_macro_string(text), SENDER) == result


def test_ipv6_is_reversed_nibble_by_nibble() -> None:
    tokens = parse_domain_spec("%{ir}.%{v}._spf.%{d2}")
    nibbles = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
    assert expand(tokens, V6) == f"{nibbles}.ip6._spf.example.com"


@pytest.mark.parametrize(
    "text", ["%", "%(s)", "%{s", "%{x}", "%{d0}", "%{d2rr}", "%{d2@}", "a b", "ä", "%{c}", "%{r}", "%{t}"]
)
def test_faults_of_syntax(text: str) -> None:
    with pytest.raises(SpfSyntaxError):
        parse_macro_string(text)


@pytest.mark.parametrize("text", ["", "example", "example.1", "%{d}.a-", "example.-com"])
def test_a_domain_ends_in_a_top_label_or_a_macro(text: str) -> None:
    with pytest.raises(SpfSyntaxError):
        parse_domain_spec(text)


def test_explanations_have_spaces_and_more_letters() -> None:
    assert expand(parse_explanation("%{c} at %{t} by %{r}"), SENDER) == "192.0.2.3 at 7 by mail.example.net"


def test_long_names_lose_labels_on_the_left() -> None:
    """RFC 7208 section 7.3."""
    label = "a" * 50
    tokens = parse_domain_spec("%{l}.example.com.")
    assert expand_domain(tokens, {"l": ".".join([label] * 6)}) == ".".join([label] * 4) + ".example.com"
    assert expand_domain(tokens, {"l": "b" * 253}) == "example.com"
    assert expand_domain(parse_domain_spec("%{l}"), {"l": "b" * 254}) == ""


def test_x11_huge_counts_cost_nothing() -> None:
    assert expand(parse_macro_string("%{d" + "9" * 5000 + "}"), SENDER) == "email.example.com"


def test_letters_in_use_are_known() -> None:
    tokens = parse_domain_spec("%{P1}.example.com")
    assert uses(tokens, "p")
    assert not uses(tokens, "d")
