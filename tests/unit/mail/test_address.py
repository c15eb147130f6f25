"""Addresses: what is taken from others, what is given to our people, and the form in which it goes on."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail.address import (
    MAX_ADDRESS,
    Address,
    AddressError,
    parse_address,
    parse_path,
    unquoted_local,
)

DOTTED = st.text(string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-.", min_size=1, max_size=70)
QUOTED = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
LABELS = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=63)
DOMAINS = st.lists(LABELS, min_size=1, max_size=3).map(".".join)


@pytest.mark.parametrize(
    ("text", "local", "domain", "written"),
    [
        ("Ada@Example.ORG", "Ada", "example.org", "Ada@example.org"),
        ("a@under_score.example", "a", "under_score.example", "a@under_score.example"),
        ("a@_dmarc.b.example", "a", "_dmarc.b.example", "a@_dmarc.b.example"),
        ("a@b-.example", "a", "b-.example", "a@b-.example"),
        ("a..b@docomo.example", "a..b", "docomo.example", '"a..b"@docomo.example'),
        ("a.@docomo.example", "a.", "docomo.example", '"a."@docomo.example'),
        (".a@docomo.example", ".a", "docomo.example", '".a"@docomo.example'),
        ('"a..b"@docomo.example', "a..b", "docomo.example", '"a..b"@docomo.example'),
        ('"ada"@b.example', "ada", "b.example", "ada@b.example"),
        (r'"a\"\b"@b.example', 'a"b', "b.example", r'"a\"b"@b.example'),
        ("user@domain.", "user", "domain", "user@domain"),
        ("user@Domain.example.", "user", "domain.example", "user@domain.example"),
        ("bob+@b.example", "bob+", "b.example", "bob+@b.example"),
        ("a@[192.0.2.1]", "a", "[192.0.2.1]", "a@[192.0.2.1]"),
        ("a@[ipv6:2001:DB8::1]", "a", "[ipv6:2001:db8::1]", "a@[ipv6:2001:db8::1]"),
        (f"{'a' * 200}@b.example", "a" * 200, "b.example", f"{'a' * 200}@b.example"),
    ],
)
def test_envelopes(text: str, local: str, domain: str, written: str) -> None:
    address = parse_path(text)
    assert address == Address(local, domain)
    assert str(address) == written


@pytest.mark.parametrize(
    "text",
    ["", "a", "@b.example", "a@", "a@.", "a@b..", "a@b..example", "a@.b", "a b@c.example", "a@b c", "a@b@c.example",
     "a\r\n@b.example", "a@b.example\n", "a@\0b", "ä@b.example", "a@ä.example", '"a"b@c.example', '"a@b.example', "a,b@c.example",
     "<a@b.example>", "a>@b.example", "a(b)@c.example", "a@b(c)", "a@[192.0.2.1", "a@[x]", f"{'a' * 250}@b.example", f"a@{'b' * 64}.example",
     f"{'.' * 245}@b.example"],
)  # fmt: skip
def test_what_no_server_could_pass_on_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        parse_path(text)


@pytest.mark.parametrize(
    "text",
    ["a..b@c.example", "a.@c.example", ".a@c.example", "a@b_c.example", "a@b.example.", "a@-b.example"],
)
def test_our_own_people_get_no_such_addresses(text: str) -> None:
    assert parse_path(text)
    with pytest.raises(AddressError):
        parse_address(text)


@given(DOTTED | QUOTED, DOMAINS, st.sampled_from(("", ".")))
def test_what_was_read_is_written_in_a_form_that_reads_the_same(local: str, domain: str, dot: str) -> None:
    given_address = Address(local, domain.lower())
    if len(str(given_address)) > MAX_ADDRESS or (not local and not str(given_address).startswith('""@')):
        return
    for text in {str(given_address) + dot, f"{local}@{domain}{dot}"}:
        try:
            found = parse_path(text)
        except AddressError:
            assert text != str(given_address) + dot
            continue
        written = str(found)
        assert parse_path(written) == found
        assert unquoted_local(written.rpartition("@")[0]) == found.local
        assert len(written) <= MAX_ADDRESS
    assert parse_path(str(given_address) + dot) == given_address


@given(st.text(max_size=300) | st.from_regex(r'[ -~]{0,20}"?[ -~]{0,20}@[ -~]{0,20}\.?', fullmatch=True))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        found = str(parse_path(text))
    except AddressError:
        return
    assert found.isascii()
    assert found.isprintable()
    assert str(parse_path(found)) == found


@pytest.mark.parametrize(
    ("local", "person", "detail"),
    [("bob+x", "bob", "x"), ("bob+", "bob", ""), ("+bob", "+bob", ""), ("bob", "bob", "")],
)
def test_details(local: str, person: str, detail: str) -> None:
    assert Address(local, "b.example").split_detail("+") == (Address(person, "b.example"), detail)
