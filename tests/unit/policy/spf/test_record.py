import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.policy.spf.macros import SpfSyntaxError
from postroom.policy.spf.record import parse_record, spf_texts


def test_only_spf1_records_are_chosen() -> None:
    """RFC 7208 section 4.5."""
    texts = (b"v=spf1", b"v=spf1 -all", b"v=spf10", b"v=spf1\x00", b" v=spf1 -all", b"")
    assert spf_texts(texts) == (b"v=spf1", b"v=spf1 -all")


def test_a_redirect_beside_all_is_void() -> None:
    """RFC 7208 section 5.1."""
    assert parse_record(b"v=spf1 redirect=b.example -all").redirect is None
    assert parse_record(b"v=spf1 redirect=b.example").redirect == ("b.example",)


def test_prefix_lengths_are_split_from_the_domain() -> None:
    directive = parse_record(b"v=spf1 a:b/c.example/24//64").directives[0]
    assert (directive.domain, directive.cidr4, directive.cidr6) == (("b/c.example",), 24, 64)


@given(st.binary(max_size=300))
def test_any_octets_are_a_record_or_a_syntax_error(octets: bytes) -> None:
    try:
        parse_record(b"v=spf1 " + octets)
    except SpfSyntaxError:
        return


@given(st.text("v=spf1+-?~ahimnclude:exists/ptr.%{}0123456789%_-", max_size=120))
def test_near_records_are_a_record_or_a_syntax_error(text: str) -> None:
    try:
        parse_record(b"v=spf1 " + text.encode())
    except SpfSyntaxError:
        return


def test_x32_a_giant_record_is_refused() -> None:
    with pytest.raises(SpfSyntaxError):
        parse_record(b"v=spf1 " + b"a " * 10_000)
