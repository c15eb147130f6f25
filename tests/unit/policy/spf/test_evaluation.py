"""check_host() by the sections of RFC 7208."""

from ipaddress import ip_address

import pytest
from postroom.policy.lookups import LookupStatus, Mx, Query, answer_with
from postroom.policy.spf import Identity, SpfResult, SpfVerdict, check_sender

INSIDE, OUTSIDE, INSIDE6 = "192.0.2.3", "198.51.100.9", "2001:db8::cb01"


def judged(zone, rows, ip=INSIDE, sender="strong-bad@example.com", helo="mx.example.org") -> SpfVerdict:
    """The verdict over a zone whose rows are `name: record` or `(name, type): records`."""
    full = {}
    for name, records in rows.items():
        if isinstance(name, str):
            full[name, "TXT"] = [records] if isinstance(records, bytes) else records
        else:
            full[name] = records
    policy = check_sender(ip_address(ip), sender, helo, receiver="mail.receiver.example", now=1_000_000)
    return answer_with(policy, zone(full))


RESULTS = [
    # 4.3 initial processing, 4.4 record lookup, 4.5 selecting records
    ({}, "none"),
    ({"example.com": [b"text", b"v=spf10 -all", b"v=spf2.0/pra -all"]}, "none"),
    ({"example.com": b"v=spf1"}, "neutral"),
    ({"example.com": b"V=sPf1 -ALL"}, "fail"),
    ({"example.com": [b"v=spf1 -all", b"v=spf1 +all"]}, "permerror"),
    ({("example.com", "TXT"): LookupStatus.TEMPORARY}, "temperror"),
    # 4.6.1 terms, 4.6.2 qualifiers, 4.7 default
    ({"example.com": b"v=spf1 ip4:10.0.0.0/8   -all  "}, "fail"),
    ({"example.com": b"v=spf1\tall"}, "none"),
    ({"example.com": b"v=spf1 ?all"}, "neutral"),
    ({"example.com": b"v=spf1 ~all"}, "softfail"),
    ({"example.com": b"v=spf1 +all"}, "pass"),
    ({"example.com": b"v=spf1 all"}, "pass"),
    ({"example.com": b"v=spf1 all unknown:thing"}, "permerror"),
    ({"example.com": b"v=spf1 moo -all"}, "permerror"),
    ({"example.com": b"v=spf1 -all;"}, "permerror"),
    ({"example.com": b"v=spf1 all:x.example -all"}, "permerror"),
    ({"example.com": b"v=spf1 \xe2\x80\x93all"}, "permerror"),
    ({"example.com": b"v=spf1 ip4:192.0.2.3 unknown=%{d}/x moo.cow-far_out=man -all"}, "pass"),
    ({"example.com": b"v=spf1 ip4:192.0.2.3 unknown=%x -all"}, "permerror"),
    ({"example.com": b"v=spf1 ip4:192.0.2.3 -unknown=x"}, "permerror"),
    ({"example.com": b"v=spf1 ip4:192.0.2.3 3x=y"}, "permerror"),
    # 5.2 include
    ({"example.com": b"v=spf1 include:b.example -all", "b.example": b"v=spf1 ip4:192.0.2.3 -all"}, "pass"),
    ({"example.com": b"v=spf1 -include:b.example all", "b.example": b"v=spf1 ip4:192.0.2.3"}, "fail"),
    ({"example.com": b"v=spf1 include:b.example ~all", "b.example": b"v=spf1 -all"}, "softfail"),
    ({"example.com": b"v=spf1 include:b.example ~all", "b.example": b"v=spf1 ~all"}, "softfail"),
    ({"example.com": b"v=spf1 include:b.example -all", "b.example": b"v=spf1"}, "fail"),
    ({"example.com": b"v=spf1 include:b.example all", "b.example": b"v=spf1 moo"}, "permerror"),
    ({"example.com": b"v=spf1 include:b.example all", "b.example": b"other"}, "permerror"),
    (
        {"example.com": b"v=spf1 include:b.example all", ("b.example", "TXT"): LookupStatus.TEMPORARY},
        "temperror",
    ),
    ({"example.com": b"v=spf1 include"}, "permerror"),
    ({"example.com": b"v=spf1 include:"}, "permerror"),
    ({"example.com": b"v=spf1 include:b.example/24", "b.example": b"v=spf1 all"}, "permerror"),
    # 5.3 a
    ({"example.com": b"v=spf1 a -all", ("example.com", "A"): ["192.0.2.3"]}, "pass"),
    ({"example.com": b"v=spf1 a -all", ("example.com", "A"): ["192.0.2.4"]}, "fail"),
    ({"example.com": b"v=spf1 a/24 -all", ("example.com", "A"): ["192.0.2.4"]}, "pass"),
    ({"example.com": b"v=spf1 a/24//96 -all", ("example.com", "A"): ["192.0.2.4"]}, "pass"),
    ({"example.com": b"v=spf1 a/0 -all", ("example.com", "A"): ["10.9.8.7"]}, "pass"),
    ({"example.com": b"v=spf1 a:h.example/30 -all", ("h.example", "A"): ["192.0.2.1"]}, "pass"),
    ({"example.com": b"v=spf1 a:h.example. -all", ("h.example", "A"): ["192.0.2.3"]}, "pass"),
    ({"example.com": b"v=spf1 a -all", ("example.com", "A"): LookupStatus.TEMPORARY}, "temperror"),
    ({"example.com": b"v=spf1 a:h.example -all"}, "fail"),
    ({"example.com": b"v=spf1 a/33 -all"}, "permerror"),
    ({"example.com": b"v=spf1 a//129 -all"}, "permerror"),
    ({"example.com": b"v=spf1 a/024 -all"}, "permerror"),
    ({"example.com": b"v=spf1 a: -all"}, "permerror"),
    ({"example.com": b"v=spf1 a:museum -all"}, "permerror"),
    ({"example.com": b"v=spf1 a:192.0.2.3 -all"}, "permerror"),
    ({"example.com": b"v=spf1 a:h.example:25 -all"}, "permerror"),
    ({"example.com": b"v=spf1 a:h.ex-ample -all", ("h.ex-ample", "A"): ["192.0.2.3"]}, "pass"),
    ({"example.com": b"v=spf1 a:h..example -all"}, "fail"),
    ({"example.com": b"v=spf1 a:" + b"x" * 64 + b".example -all"}, "fail"),
    # 5.4 mx
    (
        {
            "example.com": b"v=spf1 mx -all",
            ("example.com", "MX"): [Mx(10, "m1.example"), Mx(20, "m2.example")],
            ("m2.example", "A"): ["192.0.2.3"],
        },
        "pass",
    ),
    ({"example.com": b"v=spf1 mx -all", ("example.com", "A"): ["192.0.2.3"]}, "fail"),
    ({"example.com": b"v=spf1 mx -all", ("example.com", "MX"): [Mx(0, "")]}, "fail"),
    ({"example.com": b"v=spf1 mx -all", ("example.com", "MX"): LookupStatus.TEMPORARY}, "temperror"),
    (
        {
            "example.com": b"v=spf1 mx all",
            ("example.com", "MX"): [Mx(n, f"m{n}.example") for n in range(11)],
        },
        "permerror",
    ),
    # 5.5 ptr
    (
        {
            "example.com": b"v=spf1 ptr -all",
            ("3.2.0.192.in-addr.arpa", "PTR"): ["other.example", "mx.Example.com"],
            ("mx.example.com", "A"): ["192.0.2.3"],
        },
        "pass",
    ),
    (
        {
            "example.com": b"v=spf1 ptr:example.com -all",
            ("3.2.0.192.in-addr.arpa", "PTR"): ["mx.bad-example.com"],
            ("mx.bad-example.com", "A"): ["192.0.2.3"],
        },
        "fail",
    ),
    (
        {
            "example.com": b"v=spf1 ptr -all",
            ("3.2.0.192.in-addr.arpa", "PTR"): [f"h{n}.example.net" for n in range(10)] + ["mx.example.com"],
            ("mx.example.com", "A"): ["192.0.2.3"],
        },
        "fail",
    ),
    ({"example.com": b"v=spf1 ptr -all", ("3.2.0.192.in-addr.arpa", "PTR"): LookupStatus.TEMPORARY}, "fail"),
    ({"example.com": b"v=spf1 ptr: -all"}, "permerror"),
    # 5.6 ip4 and ip6
    ({"example.com": b"v=spf1 ip4:192.0.2.0/29 -all"}, "pass"),
    ({"example.com": b"v=spf1 ip4:192.0.2.8/29 -all"}, "fail"),
    ({"example.com": b"v=spf1 ip4:192.0.2.3/33 -all"}, "permerror"),
    ({"example.com": b"v=spf1 ip4:192.0.2 -all"}, "permerror"),
    ({"example.com": b"v=spf1 ip4:192.0.2.999 -all"}, "permerror"),
    ({"example.com": b"v=spf1 ip4 -all"}, "permerror"),
    ({"example.com": b"v=spf1 ip4:192.0.2.3//24 -all"}, "permerror"),
    ({"example.com": b"v=spf1 ip6:2001:db8::/32 -all"}, "fail"),
    ({"example.com": b"v=spf1 ip6:::ffff:192.0.2.3 ?all"}, "neutral"),
    ({"example.com": b"v=spf1 ip6:2001:db8::zz -all"}, "permerror"),
    # 5.7 exists
    ({"example.com": b"v=spf1 exists:x.example -all", ("x.example", "A"): ["127.0.0.2"]}, "pass"),
    ({"example.com": b"v=spf1 exists:x.example -all", ("x.example", "AAAA"): ["::1"]}, "fail"),
    (
        {"example.com": b"v=spf1 exists:x.example -all", ("x.example", "A"): LookupStatus.TEMPORARY},
        "temperror",
    ),
    ({"example.com": b"v=spf1 exists -all"}, "permerror"),
    ({"example.com": b"v=spf1 exists:x.example/24 -all"}, "permerror"),
    # 6.1 redirect
    ({"example.com": b"v=spf1 redirect=b.example", "b.example": b"v=spf1 ip4:192.0.2.3"}, "pass"),
    ({"example.com": b"v=spf1 redirect=b.example", "b.example": b"v=spf1"}, "neutral"),
    ({"example.com": b"v=spf1 redirect=b.example -all", "b.example": b"v=spf1 all"}, "fail"),
    ({"example.com": b"v=spf1 redirect=b.example"}, "permerror"),
    ({"example.com": b"v=spf1 redirect=b.example redirect=b.example", "b.example": b"v=spf1"}, "permerror"),
    ({"example.com": b"v=spf1 redirect="}, "permerror"),
    ({"example.com": b"v=spf1 redirect:b.example", "b.example": b"v=spf1 all"}, "permerror"),
    ({"example.com": b"v=spf1 redirect=b.example", "b.example": b"v=spf1 redirect=example.com"}, "permerror"),
    # 7 macros in terms
    ({"example.com": b"v=spf1 exists:%(ir).x.example -all"}, "permerror"),
    ({"example.com": b"v=spf1 a:a%%b%_c%-d.example -all", ("a%b c%20d.example", "A"): [INSIDE]}, "pass"),
    ({"example.com": b"v=spf1 exists:%{c}.example all"}, "permerror"),
    ({"example.com": b"v=spf1 exists:%{d0}.example all"}, "permerror"),
    ({"example.com": b"v=spf1 exists:%{z}.example all"}, "permerror"),
    ({"example.com": b"v=spf1 include:%{d", "b": b""}, "permerror"),
    (
        {"example.com": b"v=spf1 include:_spf.%{d2} -all", "_spf.example.com": b"v=spf1 all"},
        "pass",
    ),
]


@pytest.mark.parametrize(("rows", "result"), RESULTS, ids=lambda value: str(value)[:70])
def test_result(zone, rows, result) -> None:
    assert judged(zone, rows).result == result


def test_the_client_may_be_on_ipv6(zone) -> None:
    rows = {"example.com": b"v=spf1 a//64 -all", ("example.com", "AAAA"): ["2001:db8::1"]}
    assert judged(zone, rows, INSIDE6).result is SpfResult.PASS
    assert judged(zone, rows, "2001:db8:0:1::1").result is SpfResult.FAIL
    assert judged(zone, {"example.com": b"v=spf1 ip6:2001:db8::/32 -all"}, INSIDE6).result == "pass"


def test_an_ipv4_mapped_client_is_an_ipv4_client(zone) -> None:
    assert judged(zone, {"example.com": b"v=spf1 ip4:192.0.2.3 -all"}, "::ffff:192.0.2.3").result == "pass"


@pytest.mark.parametrize("domain", ["localhost", "", "a..b.example", "x" * 64 + ".example", "[192.0.2.3]"])
def test_a_malformed_domain_is_none_without_a_question(zone, domain) -> None:
    """RFC 7208 section 4.3."""
    verdict = judged(zone, {}, sender="a@" + domain)
    assert verdict.result is SpfResult.NONE


def test_the_null_sender_is_judged_by_helo(zone) -> None:
    """RFC 7208 sections 2.3 and 2.4."""
    verdict = judged(zone, {"mx.example.org": b"v=spf1 exists:%{l}.%{o}.x.example -all"}, sender="")
    assert (verdict.identity, verdict.domain) == (Identity.HELO, "mx.example.org")
    assert verdict.sender == "postmaster@mx.example.org"
    assert verdict.result is SpfResult.FAIL


@pytest.mark.parametrize(
    "helo", ["b?ro.example", "my?pc", "[192.0.2.3]", "[fe80::1%en0]", "bob's.example", "a b.example"]
)
def test_a_helo_that_names_no_host_is_none_without_a_question(zone, helo) -> None:
    """RFC 7208 section 2.3."""
    verdict = judged(zone, {helo: b"v=spf1 +all"}, sender="", helo=helo)
    assert (verdict.result, verdict.identity, verdict.domain) == (SpfResult.NONE, Identity.HELO, helo)


def test_the_verdict_names_the_term_that_decided(zone) -> None:
    assert judged(zone, {"example.com": b"v=spf1 ip4:10.0.0.0/8 ?ip4:192.0.2.0/24 -all"}).mechanism == (
        "?ip4:192.0.2.0/24"
    )


MACROS = [
    # RFC 7208 section 7.4
    ("%{s}", "strong-bad@email.example.com"),
    ("%{o}", "email.example.com"),
    ("%{d}", "email.example.com"),
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
    ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
    ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
    # letters, escapes and URL form
    ("%{h} %{c} %{r} %{t}", "mx.example.org 192.0.2.3 mail.receiver.example 1000000"),
    ("a%%b%_c%-d", "a%b c%20d"),
    ("%{S}", "strong-bad%40email.example.com"),
    ("%{p}", "unknown"),
    ("%{d999999999999}", "email.example.com"),
    ("%{L-R}", ""),
]


@pytest.mark.parametrize(("text", "expanded"), MACROS, ids=[text for text, _ in MACROS])
def test_macro(zone, text, expanded) -> None:
    rows = {"email.example.com": b"v=spf1 -all exp=why.example", "why.example": text.encode()}
    assert judged(zone, rows, sender="strong-bad@email.example.com").explanation == expanded


def test_the_p_macro_prefers_the_domain_itself_then_names_below_it(zone) -> None:
    """RFC 7208 section 7.3."""
    rows = {
        "example.com": b"v=spf1 -all exp=why.example",
        "why.example": b"%{p}",
        ("3.2.0.192.in-addr.arpa", "PTR"): ["mx.example.org", "mx.example.com"],
        ("mx.example.org", "A"): ["192.0.2.3"],
        ("mx.example.com", "A"): ["192.0.2.3"],
    }
    assert judged(zone, rows).explanation == "mx.example.com"


def test_ipv6_macros(zone) -> None:
    rows = {"example.com": b"v=spf1 -all exp=why.example", "why.example": b"%{ir}.%{v} %{c}"}
    nibbles = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
    assert judged(zone, rows, INSIDE6).explanation == f"{nibbles}.ip6 {INSIDE6}"


def test_a_long_name_is_cut_on_the_left(zone) -> None:
    """RFC 7208 section 7.3: labels go until 253 characters are left."""
    asked = zone({("example.com", "TXT"): [b"v=spf1 exists:%{l}." + b"y" * 60 + b".x.example -all"]})
    sender = ".".join(["z" * 61] * 4) + "@example.com"
    policy = check_sender(ip_address(INSIDE), sender, "h.example", receiver="r", now=0)
    assert answer_with(policy, asked).result is SpfResult.FAIL
    name = asked.asked[-1][0]
    assert name.endswith(".x.example")
    assert len(name) <= 253
    assert name.count("z" * 61) == 2


EXPLANATIONS = [
    ({"why.example": b"See http://%{d}/why?s=%{S}"}, "See http://example.com/why?s=strong-bad%40example.com"),
    ({}, ""),
    ({("why.example", "TXT"): LookupStatus.TEMPORARY}, ""),
    ({"why.example": [b"one", b"two"]}, ""),
    ({"why.example": b"bad %{x}"}, ""),
    ({"why.example": b"caf\xc3\xa9"}, ""),
    ({"why.example": b"line\r\n250 fine"}, ""),
    ({"why.example": b"x" * 4000}, "x" * 500),
]


@pytest.mark.parametrize(("rows", "text"), EXPLANATIONS, ids=lambda value: str(value)[:40])
def test_explanation(zone, rows, text) -> None:
    """RFC 7208 section 6.2: what cannot be used counts as not given, and the result stays."""
    verdict = judged(zone, {"example.com": b"v=spf1 -all exp=why.example", **rows})
    assert (verdict.result, verdict.explanation) == (SpfResult.FAIL, text)


def test_an_include_does_not_explain_but_a_redirect_does(zone) -> None:
    rows = {"b.example": b"v=spf1 -all exp=bwhy.example", "bwhy.example": b"b", "why.example": b"own"}
    own = {"example.com": b"v=spf1 include:b.example -all exp=why.example", **rows}
    assert judged(zone, own).explanation == "own"
    redirected = {"example.com": b"v=spf1 redirect=b.example exp=why.example", **rows}
    assert judged(zone, redirected).explanation == "b"


def test_x32_ten_terms_may_ask_and_no_more(zone) -> None:
    """RFC 7208 section 4.6.4."""
    hosts = {(f"h{n}.example", "A"): ["198.51.100.1"] for n in range(11)}
    ten = " ".join(f"a:h{n}.example" for n in range(10))
    assert judged(zone, {"example.com": f"v=spf1 {ten} -all".encode(), **hosts}).result == "fail"
    assert judged(zone, {"example.com": f"v=spf1 {ten} a:h10.example -all".encode(), **hosts}).result == (
        "permerror"
    )


def test_x32_the_budget_spans_includes(zone) -> None:
    chain = {f"i{n}.example": f"v=spf1 include:i{n + 1}.example -all".encode() for n in range(40)}
    asked = zone({(name, "TXT"): [text] for name, text in chain.items()})
    policy = check_sender(ip_address(INSIDE), "a@i0.example", "h.example", receiver="r", now=0)
    assert answer_with(policy, asked).result is SpfResult.PERMERROR
    assert len(asked.asked) == 11


def test_x32_two_void_lookups_may_be_made_and_no_more(zone) -> None:
    two = {"example.com": b"v=spf1 a:n1.example exists:n2.example -all"}
    assert judged(zone, two).result is SpfResult.FAIL
    three = {"example.com": b"v=spf1 a:n1.example exists:n2.example mx:n3.example -all"}
    assert judged(zone, three).result is SpfResult.PERMERROR


def test_x32_what_a_resolver_answers_is_not_trusted(zone) -> None:
    """Answers of the wrong kind, or that are no addresses, match nothing and break nothing."""
    rows = {
        "example.com": b"v=spf1 a mx:m.example ptr exists:x.example -all",
        ("example.com", "A"): ["not-an-address", "192.0.2.3.4", "", b"\x00"],
        ("m.example", "MX"): [Mx(0, "a\\b.example"), Mx(-1, "x" * 300), Mx(1, "..")],
        ("3.2.0.192.in-addr.arpa", "PTR"): ["", "\x00", "a b.example.com", "." * 50],
        ("x.example", "A"): [b"bytes"],
    }
    assert judged(zone, rows).result is SpfResult.FAIL


@pytest.mark.parametrize("local", ["x\\y", "x\r\ny", "\u00e9", "a..b", "." * 200])
def test_x32_no_name_that_dns_cannot_hold_is_asked_for(zone, local) -> None:
    asked = zone({("example.com", "TXT"): [b"v=spf1 exists:%{l}.x.example -all"]})
    policy = check_sender(ip_address(INSIDE), f"{local}@example.com", "h.example", receiver="r", now=0)
    assert answer_with(policy, asked).result is SpfResult.FAIL
    assert asked.asked == [("example.com", "TXT")]


def test_the_hosts_of_one_mx_are_asked_for_together() -> None:
    policy = check_sender(ip_address(INSIDE), "a@example.com", "h.example", receiver="r", now=0)
    asked: list[tuple[Query, ...]] = [next(policy)]
    from postroom.policy.lookups import Answer

    asked.append(policy.send((Answer(LookupStatus.FOUND, (b"v=spf1 mx -all",)),)))
    asked.append(policy.send((Answer(LookupStatus.FOUND, (Mx(1, "a.example"), Mx(2, "b.example"))),)))
    assert [query.name for query in asked[2]] == ["a.example", "b.example"]
    policy.close()
